//! Traces, printed for a reader.

use stateright::Model;

use crate::moves::Move;
use crate::state::Object;
use crate::world::World;

impl World {
    /// Prints each move of a trace, and what it changed.
    pub fn print(&self, trace: &[Move]) {
        let Some(mut state) = self.init_states().pop() else {
            return;
        };
        for event in trace {
            let Some(next) = self.next_state(&state, *event) else {
                return;
            };
            println!("{event:?}");
            if next.service != state.service {
                println!("    Service: {}", describe(next.service));
            }
            if next.balancers != state.balancers {
                println!("    clouds: {:?}", next.balancers);
            }
            if next.requests != state.requests {
                println!("    requests: {}", next.requests.len());
            }
            state = next;
        }
    }
}

fn describe(service: Option<Object>) -> String {
    let Some(Object { version, facts }) = service else {
        return "none".into();
    };
    let record = &facts.published.get().record;
    let record = (record.id_annotation(), record.cloud_annotation());
    format!(
        "version {version}, UID {}, {:?}{}{}, record {record:?}",
        facts.uid,
        facts.spec,
        if facts.finalizer { ", finalizer" } else { "" },
        if facts.deleting { ", deleting" } else { "" },
    )
}
