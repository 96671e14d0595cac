//! The load: eight connections to A.
//!
//! Enters: A's address, how long. Leaves: a line for each receipt that A answered for, with its index. What was not answered is
//! not told.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{ALL, Receipts, order_total};
use crate::nodes::ORIGIN;

const CONNECTIONS: u64 = 8;
/// One of so many requests is a run.
const RUN_EVERY: u64 = 8;
/// Between two requests of a connection.
const PAUSE: Duration = Duration::from_millis(60);

pub(crate) fn run(address: &str, seconds: u64, seed: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || ask(address, end, (seed % 1_000) << 40 | connection << 32));
        }
    });
}

fn ask(address: &str, end: Instant, first: u64) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let receipts = Receipts::of(ORIGIN);
    let mut order = order_total();
    order["public"] = json!(true);
    let mut number = first;
    while Instant::now() < end {
        number += 1;
        let answer = if number.is_multiple_of(RUN_EVERY) {
            post(
                &agent,
                &format!("{address}/v1/runs"),
                order.to_string().as_bytes(),
            )
            .map(|answer| (answer["id"].clone(), answer["log_index"].clone()))
        } else {
            post(
                &agent,
                &format!("{address}/v1/receipts"),
                &receipts.bytes(number),
            )
            .map(|answer| (answer["receipt"].clone(), answer["index"].clone()))
        };
        match answer {
            Some((id, index)) => {
                let (id, index) = (
                    id.as_str().expect("an id"),
                    index.as_u64().expect("an index"),
                );
                // One write: lines of several threads do not mix.
                let line = format!("{id} {index}\n");
                std::io::stdout()
                    .write_all(line.as_bytes())
                    .expect("written");
            }
            // Half of what was not answered is asked for again, and may be known by then.
            None => number -= number % 2,
        }
        thread::sleep(PAUSE);
    }
}

/// The answer, if there is a whole one with status 200.
fn post(agent: &ureq::Agent, url: &str, body: &[u8]) -> Option<Value> {
    let request = agent
        .post(url)
        .header("authorization", format!("Bearer {ALL}"))
        .header("content-type", "application/json");
    let mut answer = request.send(body).ok()?;
    let text = answer.body_mut().read_to_string().ok()?;
    match answer.status().as_u16() {
        200 => Some(serde_json::from_str(&text).expect("JSON")),
        429 | 500 => panic!("{text}"),
        _ => None,
    }
}
