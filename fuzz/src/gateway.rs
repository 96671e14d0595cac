//! A gateway's frames and transcripts, by bytes of strangers.
//!
//! Enters: bytes. Leaves nothing. Refuses: a transcript that is read and would be written otherwise; a connection whose
//! answers are not frames, or that calls more than its session allows.

use std::sync::Arc;

use tenzik::control::Control;
use tenzik::gateway::direct::{Direct, Tool};
use tenzik::gateway::proxy::{Token, serve};
use tenzik::gateway::{Session, SessionLimits, ToolId, Transcript};

const CALLS: u32 = 8;

/// The bytes are what a client that has the token says after its greeting, and a transcript file.
pub fn gateway(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes);
    if let Some(read) = text.ok().and_then(|text| Transcript::read(text).ok()) {
        assert_eq!(read.as_str().as_bytes(), bytes);
        assert_eq!(read.exchanges().count(), read.len());
    }
    let token = Token::from_bytes([7; 32]);
    let hello = format!(
        "{{\"hello\":{{\"version\":1,\"token\":\"{}\"}}}}\n",
        token.to_hex()
    );
    let said = [hello.as_bytes(), bytes].concat();
    let id = ToolId::new("text:echo").expect("an id");
    let echo = Tool::new(id, "Echoes", |arguments, _| Ok(arguments.clone()));
    let limits = SessionLimits {
        tool_calls: CALLS,
        chain_steps: 4,
    };
    let tools = Arc::new(Direct::new([echo]).expect("one tool"));
    let session = Arc::new(Session::new(tools, limits, Control::default()));
    let mut answered = Vec::new();
    serve(&session, &token, false, &said[..], &mut answered);
    assert!(session.tool_calls() <= CALLS);
    for line in answered.split_inclusive(|byte| *byte == b'\n') {
        // A result may be as deep as JSON may be, and a frame around it is deeper: what is whole is a line.
        assert!(line.starts_with(b"{") && line.ends_with(b"}\n"), "a frame is whole");
    }
    let transcript = session.close();
    assert_eq!(
        Transcript::read(transcript.as_str()).as_ref(),
        Ok(&transcript)
    );
}
