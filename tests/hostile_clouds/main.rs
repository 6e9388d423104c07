//! Clouds that answer what no cloud should. Whatever a cloud answers, the process lives, the
//! Services of other clouds are served, and nothing that is not ours is touched.

mod crowded;
mod hostile;
mod odd;
mod server;
