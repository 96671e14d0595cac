//! `/v1/receipts`: handing in, and listing.

use serde_json::{Value, json};
use tenzik_receipt::SignedReceipt;

use crate::common::{ALL, GONE, NONE, Receipts, order_total, until};
use crate::harness::{LogNode, ORIGIN};

const JSON: &str = "application/json";

#[test]
fn a_receipt_that_is_known_keeps_its_place() {
    let log = LogNode::start("");
    let receipts = Receipts::of(ORIGIN);
    for (number, index, known) in [(5, 0, false), (6, 1, false), (5, 0, true), (6, 1, true)] {
        let answer = log.append(&receipts.bytes(number));
        assert_eq!(
            answer.json(),
            json!({"version": 1, "receipt": receipts.signed(number).id().to_string(), "origin": ORIGIN, "index": index, "known": known})
        );
    }
    log.until_published(2);
    assert_eq!(log.append(&receipts.bytes(6)).json()["known"], true);
    log.until_published(2);
}

/// Its place would be that of other bytes, and no proof would hold for it.
#[test]
fn a_receipt_that_is_known_under_another_signature_is_a_conflict() {
    let log = LogNode::start("");
    let receipts = Receipts::of(ORIGIN);
    let (first, anew) = (receipts.signed(5), receipts.signed_anew(5));
    assert_eq!(first.id(), anew.id());
    log.append(&first.to_bytes());
    log.append(&anew.to_bytes()).refused(409, "other_signature");
    log.until_published(1);
    log.append(&anew.to_bytes()).refused(409, "other_signature");
    assert_eq!(log.append(&first.to_bytes()).json()["known"], true);
    log.assert_proved(&anew.id().to_string(), 0);
    log.grow(6..7);
    log.until_published(2);
}

#[test]
fn what_is_no_leaf_of_the_log_is_refused() {
    let log = LogNode::start("");
    let good = Receipts::of(ORIGIN).bytes(0);
    let text = String::from_utf8(good.clone()).expect("text");
    let signature = text.find("\"signature\"").expect("a signature") + 30;
    let digit = if &text[signature..=signature] == "0" {
        "1"
    } else {
        "0"
    };
    let forged = format!("{}{digit}{}", &text[..signature], &text[signature + 1..]);
    let lied = text.replace("\"fuel\":12345", "\"fuel\":12346");
    assert!(SignedReceipt::from_bytes(forged.as_bytes()).is_ok());
    for (bytes, code) in [
        (forged.into_bytes(), "signature"),
        (lied.into_bytes(), "signature"),
        (
            Receipts::signed_by(0x55, Some(ORIGIN)).bytes(0),
            "foreign_node",
        ),
        (Receipts::signed_by(0x11, None).bytes(0), "not_opted_in"),
        (Receipts::of("other.example/log").bytes(0), "other_log"),
        (format!("{text} ").into_bytes(), "form"),
        (format!("{text}\n").into_bytes(), "form"),
        (b"{}".to_vec(), "form"),
        (b"".to_vec(), "form"),
        (vec![0xff; 100], "form"),
        (b"[".repeat(10_000), "form"),
    ] {
        log.append(&bytes).refused(422, code);
    }
    let large = vec![b' '; 70_000];
    log.append(&large).refused(413, "body_too_large");
    log.node
        .post("/v1/receipts", Some(ALL), "text/plain", &good)
        .refused(415, "media_type");
    log.node
        .post("/v1/receipts", Some(NONE), JSON, &good)
        .refused(403, "forbidden");
    log.node
        .post("/v1/receipts", Some(GONE), JSON, &good)
        .refused(401, "unauthorized");
    log.node
        .post("/v1/receipts", None, JSON, &good)
        .refused(401, "unauthorized");
    assert_eq!(log.append(&good).json()["index"], 0);
}

#[test]
fn a_node_without_a_log_has_none_of_it() {
    let node = crate::common::TestNode::start("");
    let good = Receipts::of(ORIGIN).bytes(0);
    node.post("/v1/receipts", Some(ALL), JSON, &good)
        .refused(404, "not_found");
    for path in [
        "/log/checkpoint",
        "/log/tile/entries/000",
        "/v1/receipts/x",
        "/v1/receipts/x/proof",
    ] {
        node.get(path).refused(404, "not_found");
    }
    let body = b"old 0\n\nx\n";
    node.post("/witness/add-checkpoint", None, "text/plain", body)
        .refused(404, "not_found");
}

#[test]
fn receipts_are_listed_by_filters_and_in_pages() {
    let log = LogNode::start("");
    log.grow(0..7);
    let mut order = order_total();
    order["public"] = json!(true);
    assert_eq!(log.node.run(&order).status, 200);
    order["input_base64"] = json!(crate::common::base64(b"[]"));
    assert_eq!(log.node.run(&order).json()["status"], "failed");
    log.until_published(9);
    let list = |query: &str| {
        log.node
            .ask("GET", &format!("/v1/receipts{query}"), Some(ALL), None)
    };
    until("all are listed", || {
        list("").json()["receipts"].as_array().map(Vec::len) == Some(9)
    });

    let mut indexes = Vec::new();
    let mut query = "?limit=4".to_owned();
    let mut pages = 0;
    loop {
        let page = list(&query).json();
        let rows = page["receipts"].as_array().expect("rows").clone();
        indexes.extend(
            rows.iter()
                .map(|row| row["index"].as_u64().expect("an index")),
        );
        pages += 1;
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=4&after={}", next.replace('/', "%2F"));
    }
    assert_eq!((indexes, pages), ((0..9).collect(), 3));
    let count = |query: &str| {
        let answer = list(query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()["receipts"].as_array().expect("rows").len()
    };
    let node = log.node.key.to_string();
    for (query, rows) in [
        (format!("?node={node}"), 2),
        (format!("?node={}", Receipts::of(ORIGIN).key()), 7),
        ("?status=failed".to_owned(), 1),
        ("?kind=wasm".to_owned(), 9),
        ("?kind=attested".to_owned(), 0),
        (format!("?origin={}", ORIGIN.replace('/', "%2F")), 9),
        ("?origin=other".to_owned(), 0),
        ("?since=2025-06-01T00:00:00Z".to_owned(), 2),
        ("?until=2025-06-01T00:00:00Z".to_owned(), 7),
        (format!("?node={node}&status=ok&limit=1"), 1),
    ] {
        assert_eq!(count(&query), rows, "{query}");
    }
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?after=x",
        "?after=9223372036854775807@a",
        "?node=x",
        "?since=now",
        "?unknown=1",
        "?limit=1&limit=2",
        "?capsule=blake3:00",
    ] {
        list(query).refused(400, "query");
    }
    log.node.get("/v1/receipts").refused(401, "unauthorized");
    log.node
        .ask("GET", "/v1/receipts", Some(NONE), None)
        .refused(403, "forbidden");
    let row: Value = list("?limit=1").json()["receipts"][0].take();
    assert_eq!(
        row["receipt"],
        Receipts::of(ORIGIN).signed(0).id().to_string()
    );
}
