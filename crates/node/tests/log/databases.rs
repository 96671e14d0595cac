//! The same log in PostgreSQL.

#[path = "../../../store/tests/common/server.rs"]
#[allow(dead_code, reason = "the storage's own tests use more of it")]
mod server;

use crate::common::{Receipts, order_total};
use crate::harness::{LogNode, ORIGIN, directory, log_sections};

#[test]
fn a_log_in_postgresql_is_kept_and_proved_too() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let connection = server.schema("node");
    let sections = log_sections(ORIGIN, &format!("postgres = \"{connection}\"\n"));
    let log = LogNode::start_in(directory(), &sections);
    let answer = log.append(&Receipts::of(ORIGIN).bytes(0));
    assert_eq!(
        answer.status,
        200,
        "{:?} {:?}",
        log.node.get("/readyz").text(),
        log.log.log().stopped()
    );
    log.grow(1..300);
    let mut order = order_total();
    order["public"] = serde_json::json!(true);
    let answer = log.node.run(&order).json();
    assert_eq!(answer["log_index"], 300);
    let id = answer["id"].as_str().expect("an id").to_owned();
    log.assert_proved(&id, 300);

    let log = LogNode::start_in(log.stop(), &sections);
    assert_eq!(log.published_size(), 301);
    assert_eq!(
        log.append(&Receipts::of(ORIGIN).bytes(5)).json()["known"],
        true
    );
    log.assert_proved(&Receipts::of(ORIGIN).signed(299).id().to_string(), 299);
    log.grow(300..310);
    log.assert_proved(&Receipts::of(ORIGIN).signed(309).id().to_string(), 310);
}
