//! The API's document and the simulator say the same.
