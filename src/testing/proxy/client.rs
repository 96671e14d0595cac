//! The half beside executed code.

use std::io::{PipeReader, PipeWriter, Write as _, pipe};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use serde_json::json;

use super::{FRAMES, Frames, Stream};
use crate::control::Control;
use crate::gateway::proxy::{Token, VERSION, serve};
use crate::gateway::{GatewayErrorCode, Session, SessionLimits, ToolGateway};
use crate::testing::{KnownTool, PATIENCE, gateway, joined, soon};

const CLIENT: &str = "gateway::proxy, client";
const CANCELLATION: &str = "ToolGateway, Cancellation";

/// Connects a client to a stream; with a token where the stream does not bring one.
pub type Connect<'a> = dyn Fn(Stream, Option<&Token>) -> Result<Box<dyn ToolGateway>, String> + 'a;

/// Holds a client against the protocol and against the contract of [`ToolGateway`]. `tools` is what this library's own server
/// has behind it.
///
/// # Panics
/// With the promise that is broken.
pub fn proxy_client(connect: &Connect<'_>, tools: &Arc<dyn ToolGateway>, known: &KnownTool) {
    let token = Token::from_bytes([5; 32]);
    for inherited in [true, false] {
        let (stream, server) = serving(tools, &token, inherited);
        let client = connected(connect, stream, (!inherited).then_some(&token));
        gateway(&*client, known);
        drop(client);
        holds!(
            CLIENT,
            soon(PATIENCE, || server.is_finished()),
            "a client that is dropped ends its connection"
        );
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
        holds!(
            CLIENT,
            connect(stream, Some(&token)).is_err(),
            "a server that greets with {greeting:?} is none"
        );
    }
    a_lost_connection_is_an_error(connect, known);
    a_cancelled_call_ends_whatever_the_server_does(connect, known);
}

fn connected(connect: &Connect<'_>, stream: Stream, token: Option<&Token>) -> Box<dyn ToolGateway> {
    let client = connect(stream, token);
    client.unwrap_or_else(|error| panic!("{CLIENT}: a good server is refused: {error}"))
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

/// Calls the known tool, while something is done on this thread.
fn called(
    client: &dyn ToolGateway,
    known: &KnownTool,
    control: &Control,
    meanwhile: impl FnOnce(),
) -> Option<GatewayErrorCode> {
    thread::scope(|scope| {
        let call = scope.spawn(|| client.run_tool(known.tool(), known.arguments(), control));
        meanwhile();
        holds!(
            CLIENT,
            soon(PATIENCE, || call.is_finished()),
            "a call whose server is gone or silent ends"
        );
        joined(call).err().map(|error| error.code)
    })
}

/// Whoever waits for an answer that cannot come any more is told, and so is whoever calls later.
fn a_lost_connection_is_an_error(connect: &Connect<'_>, known: &KnownTool) {
    let token = Token::from_bytes([6; 32]);
    let (stream, far) = pair();
    let server = thread::spawn(move || {
        let mut frames = Frames::of(far);
        frames.send(&json!({"gateway": {"version": VERSION}}));
        // Its hello and its call; then the server is gone.
        (frames.next(), frames.next())
    });
    let client = connected(connect, stream, Some(&token));
    for _ in 0..2 {
        let told = called(&*client, known, &Control::default(), || {});
        holds!(
            "ToolGateway, Errors and retry",
            told == Some(GatewayErrorCode::Unavailable),
            "a call whose connection is gone is `unavailable`: {told:?}"
        );
    }
    let (hello, asked) = server.join().unwrap_or_default();
    let (hello, asked) = (hello.unwrap_or_default(), asked.unwrap_or_default());
    holds!(
        FRAMES,
        hello["hello"]["version"] == VERSION && asked.get("call").is_some(),
        "a client says hello, then calls: {hello}, {asked}"
    );
}

/// A server that goes silent holds nobody who wants no more of it.
fn a_cancelled_call_ends_whatever_the_server_does(connect: &Connect<'_>, known: &KnownTool) {
    let token = Token::from_bytes([7; 32]);
    let (stream, far) = pair();
    let (tell, is_called) = channel();
    let server = thread::spawn(move || {
        let mut frames = Frames::of(far);
        frames.send(&json!({"gateway": {"version": VERSION}}));
        let (_hello, _call) = (frames.next(), frames.next());
        // Whoever waits may have given up.
        let _ = tell.send(());
        // The stream stays open: a server that is gone is another case.
        (frames.next(), frames)
    });
    let client = connected(connect, stream, Some(&token));
    let control = Control::default();
    let told = called(&*client, known, &control, || {
        let begun = is_called.recv_timeout(PATIENCE);
        control.cancel();
        holds!(
            FRAMES,
            begun.is_ok(),
            "a call is sent as soon as it is made"
        );
    });
    holds!(
        CANCELLATION,
        told == Some(GatewayErrorCode::Cancelled),
        "a call ends soon after its control is set, though no answer comes: {told:?}"
    );
    drop(client);
    let cancel = server.join().ok().and_then(|(cancel, _)| cancel);
    let cancel = cancel.unwrap_or_default();
    holds!(
        FRAMES,
        cancel.get("cancel").is_some(),
        "the server is told that nobody waits any more: {cancel}"
    );
}
