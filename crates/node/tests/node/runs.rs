//! Runs over HTTP: their receipts are those of the library.

use std::time::SystemTime;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tenzik::replay::{Evidence, Replay, Replayer};
use tenzik_receipt::{
    Audience, Blake3, Challenge, Encode, Expectations, KeyUse, RequestStatement, RunSecret,
    SecretKey, Seed, SignedReceipt, Timestamp, Trust, verify,
};

use crate::common::{Answer, LASTING, TestNode, base64, capsule_file, endless, order_total};

/// The receipt's bytes as they stand in the answer.
fn receipt(answer: &Answer) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        receipt: &'a RawValue,
    }
    let outer: Outer<'_> = serde_json::from_slice(&answer.body).expect("an answer with a receipt");
    outer.receipt.get().as_bytes().to_vec()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_unix_seconds(since.expect("a clock").as_secs()).expect("a time")
}

#[test]
fn a_receipt_verifies_and_replays() {
    let node = TestNode::start("");
    let answer = node.run(&order_total());
    assert_eq!(answer.status, 200, "{:?}", answer.text());
    let body = answer.json();
    let expected = String::from_utf8(capsule_file("order-total/expected.json")).expect("text");
    assert_eq!(
        (&body["status"], &body["output"]),
        (&json!("ok"), &json!(expected))
    );
    assert_eq!(
        (&body["output_encoding"], &body["log_index"]),
        (&json!("utf-8"), &Value::Null)
    );

    let bytes = receipt(&answer);
    let (capsule, input) = (
        capsule_file("order-total/order-total.wasm"),
        capsule_file("order-total/example.json"),
    );
    let expectations = Expectations {
        capsule: Some(&capsule),
        input: Some(&input),
        output: Some(expected.as_bytes()),
        ..Expectations::default()
    };
    let trust = Trust::in_receipts_of(node.key).expect("a key");
    let verified = verify(&bytes, &trust, now(), &expectations)
        .into_verified()
        .expect("it verifies");
    assert_eq!(body["id"], verified.receipt().id().to_string());
    let evidence = Evidence {
        capsule: &capsule,
        input: &input,
        secret: None,
        seed: None,
        transcript: None,
    };
    let replayer = Replayer::new(10_000).expect("an engine");
    let replay = replayer.replay(verified.receipt().claim(), &evidence);
    assert_eq!(replay.expect("a replay"), Replay::Same);
}

#[test]
fn a_library_client_gets_the_same() {
    let node = TestNode::start("");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(format!("http://{}/v1/runs", node.address))
        .header("authorization", format!("bearer {}", crate::common::ALL))
        .header("content-type", "application/json; charset=utf-8")
        .send(order_total().to_string())
        .expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    assert_eq!(answer.status(), 200, "{text}");
}

#[test]
fn what_is_given_stands_in_the_receipt() {
    let node = TestNode::start("");
    let mut request = order_total();
    let policy = Blake3::of(b"policy").to_string();
    request["seed"] = json!("ab".repeat(32));
    request["clock_ms"] = json!(1_234_567);
    request["policy"] = json!(policy);
    request["limits"] = json!({"fuel": 1_000_000, "output_bytes": 5_000});
    request["audience"] = json!({
        "name": "a verifier", "challenge": "00".repeat(16), "expires_at": "2099-01-01T00:00:00Z"
    });
    let answer = node.run(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let receipt = answer.json()["receipt"].clone();
    let claim = &receipt["claim"];
    assert_eq!(claim["seed"], "ab".repeat(32));
    assert_eq!(claim["clock_ms"], 1_234_567);
    assert_eq!(claim["policy"], policy);
    assert_eq!(claim["limits"]["fuel"], 1_000_000);
    assert_eq!(receipt["audience"], request["audience"]);
    assert_eq!(receipt["log"], Value::Null);
}

#[test]
fn every_end_of_a_run_has_its_receipt() {
    let node = TestNode::start(LASTING);
    let mut failing = order_total();
    failing["input_base64"] = json!(base64(b"[]"));
    let mut starved = order_total();
    starved["limits"] = json!({"fuel": 100});
    let mut trapping = order_total();
    trapping["input_base64"] = json!(base64(br#"{"items":[{"sku":"a","price":1e400,"qty":1}]}"#));
    for (request, status, code) in [
        (failing, "failed", json!("fail")),
        (starved, "out_of_fuel", Value::Null),
        (trapping, "trapped", json!("number_overflow")),
        (endless(50), "aborted", json!("time_limit")),
    ] {
        let answer = node.run(&request);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!(
            (&body["status"], &body["detail"]["code"]),
            (&json!(status), &code)
        );
        assert_eq!(
            (&body["output"], &body["output_encoding"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(body["usage"].is_null(), status == "aborted");
        let receipt = SignedReceipt::from_bytes(&receipt(&answer)).expect("canonical");
        assert_eq!(receipt.claim().status(), status);
    }
    assert_eq!(node.figure("tenzik_runs_total{status=\"trapped\"}"), 1.0);
}

#[test]
fn a_refusal_has_its_receipt_too() {
    let node = TestNode::start("");
    let mut ungranted = order_total();
    ungranted["grants"] = json!([]);
    let mut greedy = order_total();
    greedy["limits"] = json!({"fuel": 9_007_199_254_740_991_u64});
    let mut no_capsule = order_total();
    no_capsule["capsule_base64"] = json!(base64(b"not a module"));
    let mut deep = order_total();
    deep["input_base64"] = json!(base64("[".repeat(5_000).as_bytes()));
    for (request, stage, code) in [
        (ungranted, "binding", "missing_grant"),
        (greedy, "binding", "limit"),
        (no_capsule, "validation", "malformed"),
        (deep, "input", "input_json"),
    ] {
        let answer = node.run(&request);
        assert_eq!(answer.status, 422, "{}", answer.text());
        let body = answer.json();
        let claim = &body["receipt"]["claim"];
        assert_eq!(
            (&body["status"], &claim["kind"]),
            (&json!("refused"), &json!("refused"))
        );
        assert_eq!(claim["stage"], stage, "{claim}");
        assert_eq!(claim["code"], answer.code(), "{claim}");
        if code != "malformed" {
            assert_eq!(answer.code(), code);
        }
        SignedReceipt::from_bytes(&receipt(&answer)).expect("canonical");
    }
}

#[test]
fn json_inputs_are_taken_as_they_stand() {
    let node = TestNode::start("");
    let capsule = base64(&capsule_file("echo/echo.wasm"));
    for input in ["null", "{ \"b\" : 1.0,\t\"a\":\"\\u0041\" }", "\"é\""] {
        let body = format!(r#"{{"capsule_base64":"{capsule}","input": {input} }}"#);
        let head = format!(
            "POST /v1/runs HTTP/1.1\r\nhost: n\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            crate::common::ALL,
            body.len()
        );
        let answer = node.send(format!("{head}{body}").as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["output"], input);
        let claim = &answer.json()["receipt"]["claim"];
        assert_eq!(claim["input"], Blake3::of(input.as_bytes()).to_string());
    }
}

#[test]
fn bytes_in_and_bytes_out() {
    let node = TestNode::start("");
    let bytes = [0, 255, 128, 7];
    let answer = node.run(&json!({
        "capsule_base64": base64(&capsule_file("echo/echo.wasm")),
        "input_base64": base64(&bytes),
        "input_type": "bytes",
    }));
    let body = answer.json();
    assert_eq!(
        (&body["output"], &body["output_encoding"]),
        (&json!(base64(&bytes)), &json!("base64"))
    );
}

#[test]
fn a_private_run_hides_what_it_is_about() {
    let node = TestNode::start("");
    let mut request = order_total();
    request["secret"] = json!("5e".repeat(32));
    let answer = node.run(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let input = capsule_file("order-total/example.json");
    let claim = &body["receipt"]["claim"];
    assert!(
        claim["input"]
            .as_str()
            .is_some_and(|text| text.starts_with("blake3-keyed:"))
    );
    let seed: Seed = body["seed"]
        .as_str()
        .expect("a seed")
        .parse()
        .expect("a seed");
    let receipt = SignedReceipt::from_bytes(&receipt(&answer)).expect("canonical");
    let secret = RunSecret::from_bytes([0x5e; 32]);
    let evidence = Evidence {
        capsule: &capsule_file("order-total/order-total.wasm"),
        input: &input,
        secret: Some(&secret),
        seed: Some(seed),
        transcript: None,
    };
    let replayer = Replayer::new(10_000).expect("an engine");
    assert_eq!(
        replayer
            .replay(receipt.claim(), &evidence)
            .expect("a replay"),
        Replay::Same
    );
    // Figures tell small inputs apart, so none of it is counted.
    assert_eq!(node.figure("tenzik_fuel_total"), 0.0);
}

#[test]
fn a_requesters_signature_is_carried_if_it_holds() {
    let node = TestNode::start("");
    let mut request = order_total();
    request["seed"] = json!("cd".repeat(32));
    request["clock_ms"] = json!(5);
    let plain = node.run(&request);
    let receipt_bytes = receipt(&plain);
    let unsigned = SignedReceipt::from_bytes(&receipt_bytes).expect("canonical");
    let audience = Audience {
        challenge: Challenge::new(vec![9; 16]).expect("a challenge"),
        expires_at: "2099-01-01T00:00:00Z".parse().expect("a time"),
        name: tenzik_receipt::Label::new("v").expect("a label"),
    };
    let statement = RequestStatement {
        audience: Some(audience),
        node: node.key,
        request_id: unsigned.claim().request_id(),
    };
    let requester = SecretKey::from_seed(&[3; 32], KeyUse::Requester, Timestamp::EPOCH);
    let signed = requester.sign_request(&statement).expect("a signature");
    assert!(!statement.to_canonical().is_empty());
    request["audience"] =
        json!({"name": "v", "challenge": "09".repeat(16), "expires_at": "2099-01-01T00:00:00Z"});
    request["request"] = json!({"requester": signed.requester.to_string(), "signature": signed.signature.to_string()});
    let answer = node.run(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["receipt"]["request"], request["request"]);

    request["clock_ms"] = json!(6);
    let answer = node.run(&request);
    answer.refused(422, "request_signature");
    assert_eq!(answer.json()["receipt"], Value::Null);
}

#[test]
fn a_capsule_that_is_not_held_is_not_found() {
    let node = TestNode::start("");
    let mut request = order_total();
    request["capsule"] = json!(Blake3::of(b"x").to_string());
    request
        .as_object_mut()
        .expect("an object")
        .remove("capsule_base64");
    node.run(&request).refused(404, "not_found");
}

#[test]
fn what_cannot_be_taken_is_400() {
    let node = TestNode::start("");
    for (member, value) in [
        ("capsule_base64", json!("***")),
        ("capsule_base64", json!("AGFzbQ")),
        ("capsule", json!("blake3:00")),
        ("input_base64", json!("AB==")),
        ("input", json!({})),
        ("input_type", json!("text")),
        ("grants", json!(["network"])),
        ("grants", json!("json")),
        ("limits", json!({"fule": 1})),
        ("limits", json!({"fuel": -1})),
        ("limits", json!({"fuel": 1.5})),
        ("policy", json!("sha256:00")),
        ("seed", json!("AB".repeat(32))),
        ("clock_ms", json!(u64::MAX)),
        (
            "audience",
            json!({"name": "a", "challenge": "00", "expires_at": "2099-01-01T00:00:00Z"}),
        ),
        ("audience", json!({"name": "a"})),
        ("request", json!({"requester": "", "signature": ""})),
        ("secret", json!("00")),
        ("public", json!(1)),
        ("unknown", json!(1)),
    ] {
        let mut request = order_total();
        request[member] = value.clone();
        let answer = node.run(&request);
        assert_eq!(answer.status, 400, "{member} {value}: {}", answer.text());
        assert!(["field", "json"].contains(&answer.code().as_str()));
    }
    let mut empty = order_total();
    empty
        .as_object_mut()
        .expect("an object")
        .remove("input_base64");
    node.run(&empty).refused(400, "field");
    // Nothing of it was run or signed.
    assert_eq!(node.figure("tenzik_runs_total"), 0.0);
}

#[test]
fn a_secret_is_never_told_back() {
    let node = TestNode::start("");
    let mut request = order_total();
    let digits = "SECRETsecret".repeat(4);
    request["secret"] = json!(digits);
    let answer = node.run(&request);
    answer.refused(400, "field");
    assert!(!answer.text().contains("SECRET"));
}
