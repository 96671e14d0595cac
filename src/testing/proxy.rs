//! What both halves of a gateway's proxy must do: frames as [`crate::gateway::proxy`] has them, written out here.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{KnownTool, gateway};
use crate::control::Control;
use crate::gateway::proxy::{Readable, Token, VERSION, serve};
use crate::gateway::{GatewayErrorCode, Session, SessionLimits, ToolGateway};

/// A stream's two directions.
pub struct Stream {
    /// What the other end writes.
    pub reader: Box<dyn Readable>,
    /// What the other end reads.
    pub writer: Box<dyn Write + Send>,
}

/// A fresh connection to a server, for each time that one is asked for.
pub struct Served {
    /// The client's end.
    pub stream: Stream,
    /// The run's token, which the server told nobody by this stream.
    pub token: Token,
}

/// Holds a server against the protocol. `open` gives a connection to one whose run may call the known tool ten times or more.
///
/// # Panics
/// With what is not so.
pub fn proxy_server(open: &dyn Fn() -> Served, known: &KnownTool) {
    answers(open, known);
    for (frame, why) in [
        (
            json!({"hello": {"version": VERSION, "token": "0".repeat(64)}}),
            "a guessed token",
        ),
        (
            json!({"hello": {"version": VERSION, "token": ""}}),
            "no token",
        ),
        (call(1, known), "a call before hello"),
    ] {
        refuses(open, &[frame.to_string()], why);
    }
    let token = |served: &Served| served.token.to_hex();
    let hello = |served: &Served, version: u32| {
        json!({"hello": {"version": version, "token": token(served)}}).to_string()
    };
    refuses_after(
        open,
        |served| vec![hello(served, VERSION + 1)],
        "another version",
    );
    let refused: [(&str, &str); 6] = [
        ("{\"call\":{\"id\":1}}", "a call without a request"),
        (
            "{\"call\":{\"id\":-1,\"request\":{\"list_namespaces\":{}}}}",
            "an id below zero",
        ),
        ("{\"shell\":{}}", "a frame of no known form"),
        ("[]", "a frame that is no object"),
        (
            "{\"call\":{\"id\":1,\"request\":{\"list_namespaces\":{}}},\"x\":1}",
            "two frames in a line",
        ),
        ("\u{0}", "no JSON"),
    ];
    for (frame, why) in refused {
        refuses_after(
            open,
            |served| vec![hello(served, VERSION), frame.to_owned()],
            why,
        );
    }
    refuses_after(
        open,
        |served| vec![hello(served, VERSION), hello(served, VERSION)],
        "hello twice",
    );
    ends_with_its_stream(open);
}

fn call(id: u64, known: &KnownTool) -> Value {
    json!({"call": {"id": id, "request": {"run_tool": {
        "tool": known.tool().as_str(), "arguments": known.arguments().to_value(),
    }}}})
}

/// The client's end, frame by frame.
struct Frames {
    reader: BufReader<Box<dyn Readable>>,
    writer: Box<dyn Write + Send>,
}

impl Frames {
    fn of(stream: Stream) -> Self {
        Self {
            reader: BufReader::new(stream.reader),
            writer: stream.writer,
        }
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| serde_json::from_str(&line).expect("a frame is a line of JSON"))
    }

    /// A frame, in pieces: where a stream cuts makes no difference.
    fn send(&mut self, frame: &str) {
        for piece in format!("{frame}\n").as_bytes().chunks(7) {
            // A server that has refused already reads no more.
            if self
                .writer
                .write_all(piece)
                .and_then(|()| self.writer.flush())
                .is_err()
            {
                return;
            }
        }
    }
}

fn greeted(served: Served) -> (Frames, Token) {
    let mut frames = Frames::of(served.stream);
    let greeting = frames.next().expect("a greeting");
    assert_eq!(
        greeting["gateway"]["version"], VERSION,
        "the server speaks first, and says its version"
    );
    assert!(
        greeting["gateway"].get("token").is_none(),
        "the token does not go by a stream that anybody may have"
    );
    (frames, served.token)
}

fn answers(open: &dyn Fn() -> Served, known: &KnownTool) {
    let (mut frames, token) = greeted(open());
    frames.send(&json!({"hello": {"version": VERSION, "token": token.to_hex()}}).to_string());
    for id in [7, 0, u64::MAX] {
        frames.send(&call(id, known).to_string());
        let answer = frames.next().expect("an answer");
        assert_eq!(answer["answer"]["id"], id, "an answer has its call's id");
        let result = &answer["answer"]["answer"]["ok"]["result"];
        assert_eq!(*result, known.result().to_value(), "and the tool's result");
    }
    frames.send("{\"cancel\":{\"id\":99}}");
    frames.send("{\"call\":{\"id\":1,\"request\":{\"run_tool\":{\"tool\":\"no:such-tool\",\"arguments\":{}}}}}");
    let answer = frames.next().expect("an answer");
    assert_eq!(
        answer["answer"]["answer"]["error"]["code"], "not_found",
        "a cancel of no call is nothing, and an error is an answer"
    );
}

fn refuses(open: &dyn Fn() -> Served, frames: &[String], why: &str) {
    refuses_after(open, |_| frames.to_vec(), why);
}

fn refuses_after(open: &dyn Fn() -> Served, said: impl Fn(&Served) -> Vec<String>, why: &str) {
    let served = open();
    let said = said(&served);
    let (mut frames, _) = greeted(served);
    for frame in said {
        frames.send(&frame);
    }
    let last = std::iter::from_fn(|| frames.next()).last();
    let reason = last.and_then(|frame| Some(frame.get("refused")?.get("reason")?.is_string()));
    assert_eq!(
        reason,
        Some(true),
        "{why}: the last frame says why the connection ends"
    );
}

/// A client that goes away in the middle of a frame takes the server with it, and nothing else.
fn ends_with_its_stream(open: &dyn Fn() -> Served) {
    let (mut frames, token) = greeted(open());
    frames.send(&json!({"hello": {"version": VERSION, "token": token.to_hex()}}).to_string());
    let _ = frames.writer.write_all(b"{\"call\":{\"id\":1,");
    drop(frames);
    let (frames, _) = greeted(open());
    drop(frames);
}

/// Connects a client to a stream; with a token where the stream does not bring one.
pub type Connect<'a> = dyn Fn(Stream, Option<&Token>) -> Result<Box<dyn ToolGateway>, String> + 'a;

/// Holds a client against the protocol and against the contract of [`ToolGateway`]. `tools` is what this library's own server
/// has behind it.
///
/// # Panics
/// With what is not so.
pub fn proxy_client(connect: &Connect<'_>, tools: &Arc<dyn ToolGateway>, known: &KnownTool) {
    let token = Token::from_bytes([5; 32]);
    for inherited in [true, false] {
        let (stream, server) = serving(tools, &token, inherited);
        let client = connect(stream, (!inherited).then_some(&token));
        let client = client.unwrap_or_else(|error| panic!("a good server is refused: {error}"));
        gateway(&*client, known);
        drop(client);
        server.join().expect("the server does not panic");
    }
    for greeting in [
        format!("{{\"gateway\":{{\"version\":{}}}}}\n", VERSION + 1),
        "{\"gateway\":{}}\n".to_owned(),
        "hello\n".to_owned(),
        String::new(),
    ] {
        let (stream, mut far) = pair();
        // A client may have left already.
        let _ = far.writer.write_all(greeting.as_bytes());
        drop(far);
        assert!(
            connect(stream, Some(&token)).is_err(),
            "a server that greets with {greeting:?} is none"
        );
    }
    a_lost_connection_is_an_error(connect, known);
    a_cancelled_call_ends_whatever_the_server_does(connect, known);
}

fn serving(
    tools: &Arc<dyn ToolGateway>,
    token: &Token,
    inherited: bool,
) -> (Stream, thread::JoinHandle<()>) {
    let limits = SessionLimits {
        tool_calls: 100_000,
        chain_steps: 64,
    };
    let session = Session::new(Arc::clone(tools), limits, Control::default());
    let (stream, far) = pair();
    let token = token.clone();
    let server = thread::spawn(move || {
        drop(serve(
            &Arc::new(session),
            &token,
            inherited,
            far.reader,
            far.writer,
        ));
    });
    (stream, server)
}

fn pair() -> (Stream, Stream) {
    let stream = |reader: PipeReader, writer: PipeWriter| Stream {
        reader: Box::new(reader),
        writer: Box::new(writer),
    };
    let ((far_reads, near_writes), (near_reads, far_writes)) =
        (pipe().expect("a pipe"), pipe().expect("a pipe"));
    (
        stream(near_reads, near_writes),
        stream(far_reads, far_writes),
    )
}

/// Whoever waits for an answer that cannot come any more is told, and so is whoever calls later.
fn a_lost_connection_is_an_error(connect: &Connect<'_>, known: &KnownTool) {
    let token = Token::from_bytes([6; 32]);
    let (stream, far) = pair();
    let server = thread::spawn(move || {
        let mut frames = Frames::of(far);
        let greeting = json!({"gateway": {"version": VERSION}}).to_string();
        frames.send(&greeting);
        // Its hello and its call; then the server is gone.
        (frames.next(), frames.next())
    });
    let client = connect(stream, Some(&token)).expect("a server that greets");
    let control = Control::default();
    let code =
        |called: Result<_, crate::gateway::GatewayError>| called.err().map(|error| error.code);
    let lost = client.run_tool(known.tool(), known.arguments(), &control);
    assert_eq!(
        code(lost.map(drop)),
        Some(GatewayErrorCode::Unavailable),
        "a call whose server is gone ends"
    );
    let (hello, asked) = server.join().expect("the server does not panic");
    assert_eq!(hello.expect("a hello")["hello"]["version"], VERSION);
    assert!(
        asked.expect("a call").get("call").is_some(),
        "hello, then the call"
    );
    thread::sleep(Duration::from_millis(1));
    let later = client.list_namespaces(&control);
    assert_eq!(code(later.map(drop)), Some(GatewayErrorCode::Unavailable));
}

/// A server that goes silent holds nobody who wants no more of it.
fn a_cancelled_call_ends_whatever_the_server_does(connect: &Connect<'_>, known: &KnownTool) {
    let token = Token::from_bytes([7; 32]);
    let (stream, far) = pair();
    let server = thread::spawn(move || {
        let mut frames = Frames::of(far);
        frames.send(&json!({"gateway": {"version": VERSION}}).to_string());
        let asked = [frames.next(), frames.next(), frames.next()];
        (asked, frames)
    });
    let client = connect(stream, Some(&token)).expect("a server that greets");
    let control = Control::default();
    let called = thread::scope(|scope| {
        let call = scope.spawn(|| client.run_tool(known.tool(), known.arguments(), &control));
        thread::sleep(Duration::from_millis(50));
        control.cancel();
        call.join().expect("it does not panic")
    });
    let code = called.err().map(|error| error.code);
    assert_eq!(code, Some(GatewayErrorCode::Cancelled));
    let (asked, _silent) = server.join().expect("the server does not panic");
    let cancel = asked.into_iter().flatten().last().expect("a frame");
    assert!(
        cancel.get("cancel").is_some(),
        "the server is told that nobody waits any more"
    );
}
