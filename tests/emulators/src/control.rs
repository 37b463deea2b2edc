//! The admin routes of both emulators: `/_emulator/…`, JSON in and out, without records or faults.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::{Fault, FaultHandle};
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator;

/// Returns the path after `/_emulator/`, or `None` if the request is not for the admin routes.
pub(crate) fn path(request: &Received) -> Option<&str> {
    let rest = request.path().strip_prefix("/_emulator")?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/'))
}

/// Answers an admin request.
pub(crate) fn answer<E: Emulator>(emulator: &E, request: &Received, path: &str) -> Reply {
    let segments: Vec<&str> = path.split('/').collect();
    match (&request.method, segments.as_slice()) {
        (&Method::GET, ["counts"]) => ok(&emulator.traffic().counts_json()),
        (&Method::GET, ["requests"]) => ok(&emulator.traffic().requests_json()),
        (&Method::GET, ["faults"]) => ok(&emulator.faults().to_json()),
        (&Method::POST, ["faults"]) => match body::<Fault>(request) {
            Ok(fault) => Reply::json(201, &json!({"id": emulator.faults().inject(fault).id()})),
            Err(refusal) => refusal,
        },
        (&Method::DELETE, ["faults"]) => {
            emulator.faults().clear();
            done()
        }
        (&Method::POST, ["faults", id, "release"]) => on_fault(emulator, id, FaultHandle::release),
        (&Method::DELETE, ["faults", id]) => on_fault(emulator, id, FaultHandle::remove),
        (&Method::POST, ["release"]) => {
            emulator.faults().release_all();
            done()
        }
        (&Method::POST, ["reset"]) => reset(emulator, request),
        _ => emulator.control(request, path).unwrap_or_else(|| {
            Reply::json(
                404,
                &json!({"error": "no such admin route; see the documentation of the crate `emulators`"}),
            )
        }),
    }
}

fn on_fault<E: Emulator>(emulator: &E, id: &str, act: impl FnOnce(&FaultHandle)) -> Reply {
    match id.parse().ok().and_then(|id| emulator.faults().get(id)) {
        Some(fault) => {
            act(&fault);
            done()
        }
        None => Reply::json(404, &json!({"error": "no fault has this id"})),
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Reset {
    counts: bool,
    faults: bool,
    state: bool,
}

impl Default for Reset {
    fn default() -> Self {
        Self { counts: true, faults: true, state: false }
    }
}

fn reset<E: Emulator>(emulator: &E, request: &Received) -> Reply {
    match body::<Reset>(request) {
        Ok(reset) => {
            if reset.counts {
                emulator.traffic().reset();
            }
            if reset.faults {
                emulator.faults().clear();
            }
            if reset.state {
                emulator.restore();
            }
            done()
        }
        Err(refusal) => refusal,
    }
}

/// Returns the JSON body of an admin request; an empty one counts as `{}`.
pub(crate) fn body<T: DeserializeOwned>(request: &Received) -> Result<T, Reply> {
    let bytes: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(bytes)
        .map_err(|error| Reply::json(400, &json!({"error": error.to_string()})))
}

/// Returns `current` with the members of `changes` merged in.
pub(crate) fn merged<T: DeserializeOwned + serde::Serialize>(
    current: &T,
    changes: &Value,
) -> Result<T, String> {
    let mut value = serde_json::to_value(current).map_err(|error| error.to_string())?;
    if let (Some(settings), Some(changes)) = (value.as_object_mut(), changes.as_object()) {
        for (name, change) in changes {
            settings.insert(name.clone(), change.clone());
        }
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

pub(crate) fn ok(value: &Value) -> Reply {
    Reply::json(200, value)
}

pub(crate) fn done() -> Reply {
    Reply::empty(204)
}
