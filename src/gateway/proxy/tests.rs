//! Both halves against each other over a real socket, and the server against clients that are not ours.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use proptest::prelude::*;

use super::frame::{FrameError, Frames, FromClient, FromServer};
use super::*;
use crate::control::Control;
use crate::gateway::direct::{Direct, Tool};
use crate::gateway::{
    ChainStep, DescribeLevel, GatewayError, GatewayErrorCode, Json, Operation, Session,
    SessionLimits, ToolGateway as _, ToolId,
};
use crate::testing::{KnownTool, Served, Stream, proxy_client, proxy_server};
use std::sync::Arc;

fn id(text: &str) -> ToolId {
    ToolId::new(text).expect("an id")
}

fn json(text: &str) -> Json {
    Json::new(text).expect("JSON")
}

#[derive(Default)]
struct Seen {
    waiting: AtomicBool,
    called: AtomicU32,
}

fn session(seen: &Arc<Seen>) -> Arc<Session> {
    let (waits, counts) = (Arc::clone(seen), Arc::clone(seen));
    let echo = Tool::new(id("text:echo"), "Echoes", |arguments, _| {
        Ok(arguments.clone())
    });
    let wait = Tool::new(
        id("wait"),
        "Waits until it is cancelled",
        move |_, control: &Control| {
            waits.waiting.store(true, Ordering::SeqCst);
            while !control.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(GatewayError::cancelled())
        },
    );
    let count = Tool::new(id("count"), "Counts", move |_, _| {
        counts.called.fetch_add(1, Ordering::SeqCst);
        Ok(json("1"))
    });
    let limits = SessionLimits {
        tool_calls: 1_000,
        chain_steps: 8,
    };
    let gateway = Arc::new(Direct::new([echo, wait, count]).expect("three tools"));
    Arc::new(Session::new(gateway, limits, Control::default()))
}

fn known() -> KnownTool {
    KnownTool::new("text:echo", r#"{"a":1.50}"#, r#"{"a":1.50}"#)
        .with_echoing("text:echo")
        .with_slow("wait")
}

/// A server on a thread, and the client's end of its stream.
fn served(
    session: &Arc<Session>,
    token: &Token,
    inherited: bool,
) -> (UnixStream, JoinHandle<Ended>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (session, token) = (Arc::clone(session), token.clone());
    let server = std::thread::spawn(move || {
        let writer = ours.try_clone().expect("a clone");
        serve(&session, &token, inherited, &ours, writer)
    });
    (theirs, server)
}

fn connected(stream: &UnixStream, token: Option<&Token>) -> Result<Client, ConnectError> {
    let clone = || stream.try_clone().expect("a clone");
    Client::connect(clone(), clone(), token)
}

fn token() -> Token {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Token::from_bytes(bytes)
}

#[test]
fn every_operation_comes_through_with_full_fidelity() {
    let session = session(&Arc::default());
    let (stream, server) = served(&session, &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    let control = Control::default();
    assert_eq!(
        client
            .search_tools("echo", 5, &control)
            .expect("tools")
            .len(),
        1
    );
    assert_eq!(
        client.list_namespaces(&control).expect("names"),
        ["", "text"]
    );
    let told = client.describe_tool(&id("text:echo"), DescribeLevel::Full, &control);
    assert_eq!(told.expect("it is there").summary, "Echoes");
    assert!(
        client
            .list_tool_examples(&id("count"), 3, &control)
            .expect("a list")
            .is_empty()
    );
    let text = r#"{"z":9007199254740993.10,"a":[1e400,"\ud83d\ude00"]}"#;
    let echoed = client
        .run_tool(&id("text:echo"), &json(text), &control)
        .expect("a result");
    assert_eq!(echoed.as_str(), text);
    let step = |use_previous| ChainStep {
        tool: id("text:echo"),
        arguments: json("{}"),
        use_previous,
    };
    let chain = client
        .run_chain(&[step(false), step(true)], &control)
        .expect("a chain");
    let last = chain.result().expect("a step").as_ref().expect("a result");
    assert_eq!(last.as_str(), r#"{"previous":{}}"#);
    let error = client
        .run_tool(&id("nothing"), &json("{}"), &control)
        .expect_err("none");
    assert_eq!(
        (error.code, error.retryable),
        (GatewayErrorCode::NotFound, false)
    );
    stream.shutdown(Shutdown::Both).expect("it is ours");
    assert_eq!(server.join().expect("no panic"), Ended::Closed);
    assert_eq!(session.close().len(), 7);
}

#[test]
fn a_client_keeps_the_contract_of_every_gateway() {
    let (stream, _server) = served(&session(&Arc::default()), &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    crate::testing::gateway(&client, &known());
}

#[test]
fn a_guessed_token_is_refused_and_calls_nothing() {
    let (seen, right) = (Arc::default(), token());
    let session = session(&seen);
    for inherited in [false, true] {
        let (stream, server) = served(&session, &right, inherited);
        let client = connected(&stream, Some(&token())).expect("it greets");
        let error = client.run_tool(&id("count"), &json("{}"), &Control::default());
        assert_eq!(
            error.expect_err("refused").code,
            GatewayErrorCode::Unavailable
        );
        assert!(matches!(
            server.join().expect("no panic"),
            Ended::Refused(_)
        ));
    }
    let (stream, _server) = served(&session, &right, false);
    assert!(matches!(
        connected(&stream, None),
        Err(ConnectError::NoToken)
    ));
    assert_eq!(seen.called.load(Ordering::SeqCst), 0);
    assert!(session.close().is_empty());
}

#[test]
fn a_cancelled_call_ends_and_others_go_on() {
    let seen = Arc::default();
    let session = session(&seen);
    let (stream, _server) = served(&session, &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    let control = Control::default();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| client.run_tool(&id("wait"), &json("{}"), &control));
        while !seen.waiting.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let other = client.run_tool(&id("count"), &json("{}"), &Control::default());
        assert!(other.is_ok(), "one call holds up no other");
        control.cancel();
        assert_eq!(
            waits.join().expect("no panic"),
            Err(GatewayError::cancelled())
        );
    });
}

#[test]
fn a_client_that_goes_away_cancels_what_it_asked_for() {
    let seen = Arc::default();
    let session = session(&seen);
    let (stream, server) = served(&session, &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| client.run_tool(&id("wait"), &json("{}"), &Control::default()));
        while !seen.waiting.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        stream.shutdown(Shutdown::Both).expect("it is ours");
        let error = waits.join().expect("no panic").expect_err("gone");
        assert_eq!(
            (error.code, error.retryable),
            (GatewayErrorCode::Unavailable, true)
        );
    });
    assert_eq!(server.join().expect("no panic"), Ended::Closed);
    assert!(client.list_namespaces(&Control::default()).is_err());
}

/// What a stranger says to a server that it greeted well, and how that ends.
fn told(lines: &[u8]) -> Ended {
    let token = token();
    let (mut stream, server) = served(&session(&Arc::default()), &token, true);
    let hello = FromClient::Hello {
        version: VERSION,
        token: token.to_hex(),
    };
    frame::write(&mut stream, &hello).expect("it reads");
    // A server that refuses closes before all is written.
    let _ = stream.write_all(lines);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    server.join().expect("no panic")
}

#[test]
fn what_is_no_frame_ends_the_connection() {
    let list = r#"{"call":{"id":1,"request":{"list_namespaces":{}}}}"#;
    assert_eq!(told(format!("{list}\n").as_bytes()), Ended::Closed);
    for line in [
        "\n",
        "{}\n",
        "[1]\n",
        "{\"call\":{\"id\":1}}\n",
        "{\"call\":{\"id\":-1,\"request\":{\"list_namespaces\":{}}}}\n",
        "{\"cancel\":{\"id\":1},\"call\":{}}\n",
        "{\"hello\":{\"version\":1,\"token\":\"\"}}\n",
        list,
        "\u{feff}",
    ] {
        assert!(
            matches!(told(line.as_bytes()), Ended::Refused(_)),
            "{line:?}"
        );
    }
}

#[test]
fn a_server_of_another_version_is_told_from_none() {
    for (greeting, expected) in [
        ("{\"gateway\":{\"version\":2}}\n", "version 2"),
        ("220 mail.example\n", "no gateway"),
        ("", "does not greet"),
    ] {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        theirs.write_all(greeting.as_bytes()).expect("it is read");
        drop(theirs);
        let error = connected(&ours, Some(&token()))
            .err()
            .expect("no gateway")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_shell_could_speak_it() {
    let session = session(&Arc::default());
    let (stream, _server) = served(&session, &token(), true);
    let mut lines = BufReader::new(&stream).lines();
    let greeting = lines.next().expect("a line").expect("text");
    let token = greeting.split('"').nth(7).expect("a token");
    let hello = format!("{{\"hello\":{{\"version\":1,\"token\":\"{token}\"}}}}\n");
    (&stream).write_all(hello.as_bytes()).expect("it reads");
    let call =
        r#"{"call":{"id":0,"request":{"run_tool":{"tool":"text:echo","arguments":{"a":1}}}}}"#;
    writeln!(&stream, "{call}").expect("it reads");
    let answer = lines.next().expect("a line").expect("text");
    assert_eq!(
        answer,
        r#"{"answer":{"id":0,"answer":{"ok":{"result":{"a":1}}}}}"#
    );
}

#[test]
fn a_token_is_not_shown() {
    let token = token();
    assert!(!format!("{token:?}").contains(&token.to_hex()));
    assert!(
        Token::from_hex(&token.to_hex())
            .expect("digits")
            .is(&token.to_hex())
    );
    assert!(Token::from_hex("00").is_none() && !token.is(""));
}

struct Cut<'a> {
    bytes: &'a [u8],
    cuts: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl std::io::Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let cut = self.cuts.next().copied().unwrap_or(1);
        let count = cut.min(buffer.len()).min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// A line of which the end does not come is not kept beyond the bound.
#[test]
fn a_frame_that_is_too_long_is_refused() {
    let endless = std::io::repeat(b'x').take(2 * FRAME_BYTES_MAX as u64);
    let read = Frames::new(endless).next::<FromClient>();
    assert!(matches!(read, Err(FrameError::TooLong)), "{read:?}");
}

/// One of several callers reads for all of them. When it leaves, another has to read, and each gets its own answer.
#[test]
fn callers_share_a_stream_and_each_gets_its_own_answer() {
    let seen = Arc::default();
    let session = session(&seen);
    let (stream, server) = served(&session, &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for turn in 0..100 {
                    let arguments = json(&format!("[{caller},{turn}]"));
                    let control = Control::default();
                    let result = client.run_tool(&id("text:echo"), &arguments, &control);
                    assert_eq!(result.expect("a result"), arguments);
                }
            });
        }
    });
    drop((client, stream));
    server.join().expect("no panic");
    assert_eq!(session.tool_calls(), 800);
}

/// Whoever waits longest was the one who read for the others, who were told of nothing.
#[test]
fn a_caller_that_waits_long_does_not_hold_up_the_others() {
    let seen: Arc<Seen> = Arc::default();
    let session = session(&seen);
    let (stream, server) = served(&session, &token(), true);
    let client = connected(&stream, None).expect("a gateway");
    let control = Control::default();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.run_tool(&id("wait"), &json("1"), &control));
        for _ in 0..10_000 {
            if seen.waiting.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(seen.waiting.load(Ordering::SeqCst), "it does not wait");
        for turn in 0..50 {
            let own = Control::default();
            let result = client.run_tool(&id("text:echo"), &json(&turn.to_string()), &own);
            assert_eq!(result.expect("a result").as_str(), turn.to_string());
        }
        assert!(!waiting.is_finished());
        control.cancel();
        let code = waiting
            .join()
            .expect("no panic")
            .err()
            .map(|error| error.code);
        assert_eq!(code, Some(GatewayErrorCode::Cancelled));
    });
    drop((client, stream));
    server.join().expect("no panic");
}

proptest! {
    /// What is read was written so, or is refused; nothing panics.
    #[test]
    fn frames_are_read_in_one_spelling(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "[ -~]{0,60}".prop_map(String::into_bytes),
    ]) {
        let mut line = bytes.clone();
        line.push(b'\n');
        if let Ok(Some(found)) = Frames::new(&line[..]).next::<FromServer>() {
            let mut written = Vec::new();
            frame::write(&mut written, &found).expect("memory");
            prop_assert_eq!(written, line);
        }
    }

    /// A stream cuts where it likes.
    #[test]
    fn frames_are_whole_wherever_a_stream_cuts(
        ids in proptest::collection::vec(any::<u64>(), 0..20),
        cuts in proptest::collection::vec(1..50_usize, 1..20),
        torn: bool,
    ) {
        let mut bytes = Vec::new();
        for id in &ids {
            frame::write(&mut bytes, &FromClient::Cancel { id: *id }).expect("memory");
        }
        if torn {
            bytes.extend_from_slice(b"{\"cancel\"");
        }
        let mut frames = Frames::new(Cut { bytes: &bytes, cuts: cuts.iter().cycle() });
        for id in &ids {
            let read = frames.next::<FromClient>();
            prop_assert!(matches!(read, Ok(Some(FromClient::Cancel { id: got })) if got == *id), "{read:?}");
        }
        let last = frames.next::<FromClient>();
        match torn {
            true => prop_assert!(matches!(last, Err(FrameError::Torn)), "{last:?}"),
            false => prop_assert!(matches!(last, Ok(None)), "{last:?}"),
        }
    }

    #[test]
    fn operations_come_through(query in "\\PC{0,40}", limit in 0..1_000_u32, id: u64) {
        let call = FromClient::Call { id, request: Operation::SearchTools { query, limit } };
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &call).expect("memory");
        let read = Frames::new(&bytes[..]).next::<FromClient>().expect("a frame");
        prop_assert_eq!(format!("{read:?}"), format!("Some({call:?})"));
    }
}

/// The server's half of a connection, with what tells of its end.
fn opened(session: &Arc<Session>) -> Served {
    let (token, (ours, theirs)) = (token(), UnixStream::pair().expect("a pair"));
    let (tell, ended) = std::sync::mpsc::channel();
    let (session, its) = (Arc::clone(session), token.clone());
    std::thread::spawn(move || {
        serve(&session, &its, false, &ours, &ours);
        drop((ours, tell));
    });
    Served {
        stream: Stream {
            reader: Box::new(theirs.try_clone().expect("a clone")),
            writer: Box::new(theirs),
        },
        token,
        ended: Some(ended),
    }
}

#[test]
fn the_server_keeps_the_protocol() {
    let session = session(&Arc::default());
    proxy_server(&|| opened(&session), &known());
}

#[test]
fn the_client_keeps_the_protocol() {
    let echo = Tool::new(id("text:echo"), "Echoes", |arguments, _| {
        Ok(arguments.clone())
    });
    let wait = Tool::new(id("wait"), "Waits", |_, control: &Control| {
        while !control.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(GatewayError::cancelled())
    });
    let tools: Arc<dyn crate::gateway::ToolGateway> =
        Arc::new(Direct::new([echo, wait]).expect("two tools"));
    proxy_client(
        &|stream, token| {
            let client = Client::connect(stream.reader, stream.writer, token);
            client
                .map(|client| Box::new(client) as _)
                .map_err(|error| error.to_string())
        },
        &tools,
        &known(),
    );
}

/// A program that asks and never reads what it is told has filled a host with threads, each holding an answer.
#[test]
fn a_client_that_reads_no_answers_is_soon_not_read_either() {
    let seen = Arc::default();
    let session = session(&seen);
    let token = token();
    let (stream, server) = served(&session, &token, true);
    let mut writer = stream.try_clone().expect("a clone");
    let hello = format!(
        r#"{{"hello":{{"version":1,"token":"{}"}}}}"#,
        token.to_hex()
    );
    writeln!(writer, "{hello}").expect("room");
    let text = "x".repeat(256 * 1024);
    let flood = std::thread::spawn(move || {
        for id in 0..400 {
            let call = format!(
                r#"{{"call":{{"id":{id},"request":{{"run_tool":{{"tool":"text:echo","arguments":"{text}"}}}}}}}}"#
            );
            if writeln!(writer, "{call}").is_err() {
                return;
            }
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    let answered = session.tool_calls();
    assert!(
        answered as usize <= turns::THREADS_MAX,
        "{answered} calls were made for nobody"
    );
    stream.shutdown(Shutdown::Both).expect("it is ours");
    flood.join().expect("no panic");
    server.join().expect("no panic");
}
