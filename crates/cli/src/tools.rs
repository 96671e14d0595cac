//! Tools that executed code may call: commands of this system, named in a file.
//!
//! Enters: a file that the operator wrote. Leaves: a gateway to those commands. Refuses: a file of another form, two tools of
//! one id, a command whose program is not there.
//!
//! ```json
//! {"tools":[{"id":"text:upper","summary":"In capitals","command":["/usr/bin/jq","-c",".text|ascii_upcase"]}]}
//! ```
//!
//! A command gets the arguments on its standard input, and its standard output is the result, both in JSON. It is the
//! operator's, and runs as the operator; what executed code decides is the arguments, never the command. It has 30 seconds, or
//! what `timeout_ms` gives it.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tenzik::capability::Capability;
use tenzik::config::SecurityConfig;
use tenzik::control::Control;
use tenzik::gateway::direct::{Direct, Tool};
use tenzik::gateway::{GatewayError, GatewayErrorCode, Json, ToolGateway, ToolId};

use crate::error::{Exit, Failure};
use crate::source::{Source, TOOLS};

/// The longest result of a command.
const RESULT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of what a command says on standard error is read, for the error's message.
const STDERR_BYTES_MAX: u64 = 4 * 1024;
/// How long the output of a command that has ended is waited for.
const LEFT_OPEN: Duration = Duration::from_secs(1);
/// How often the end of a command and the wish to stop it are looked at.
const TICK: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tools: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: ToolId,
    #[serde(default)]
    summary: String,
    command: Vec<String>,
    /// Default: 30 seconds.
    #[serde(default = "default_timeout_ms")]
    timeout_ms: u32,
    #[serde(default)]
    input_schema: Option<Json>,
}

const fn default_timeout_ms() -> u32 {
    30_000
}

/// The tools of a file.
pub(crate) fn read(path: &Path) -> Result<Arc<dyn ToolGateway>, Failure> {
    let refused = |why: String| {
        Failure::new(
            Exit::Usage,
            "tools",
            format!("the tools in {}: {why}", crate::text::path(path)),
            "see `tools` in docs/cli.md",
        )
    };
    let text = Source::File(path.to_owned()).read(TOOLS)?;
    let file: File = serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
    let tools = file.tools.into_iter().map(Entry::tool);
    let tools = tools.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let direct = Direct::new(tools).map_err(|error| refused(error.to_string()))?;
    Ok(Arc::new(direct))
}

/// A host's permissions where its operator named tools for the run, and so allows it to call them.
pub(crate) fn allowed(security: &SecurityConfig) -> SecurityConfig {
    let allowed = security.allowed_capabilities.iter();
    SecurityConfig {
        allowed_capabilities: allowed.chain([Capability::Tools]).collect(),
        ..security.clone()
    }
}

impl Entry {
    fn tool(self) -> Result<Tool, String> {
        let Some(program) = self.command.first().cloned() else {
            return Err(format!("{} has no command", self.id));
        };
        if !Path::new(&program).is_absolute() || !Path::new(&program).is_file() {
            return Err(format!(
                "{}: {program} is no path of a program from /",
                self.id
            ));
        }
        let (command, timeout) = (self.command, Duration::from_millis(self.timeout_ms.into()));
        let run =
            move |arguments: &Json, control: &Control| call(&command, arguments, timeout, control);
        let tool = Tool::new(self.id, self.summary, run);
        Ok(match self.input_schema {
            Some(schema) => tool.with_input_schema(schema),
            None => tool,
        })
    }
}

fn failed(code: GatewayErrorCode, message: impl AsRef<str>) -> GatewayError {
    GatewayError::new(code, message)
}

/// Runs a command once, to its end or until nobody wants it any more.
fn call(
    command: &[String],
    arguments: &Json,
    timeout: Duration,
    control: &Control,
) -> Result<Json, GatewayError> {
    let lost = |error: std::io::Error| failed(GatewayErrorCode::Unavailable, error.to_string());
    let mut prepared = Command::new(&command[0]);
    prepared
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A group of its own, which is ended whole.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut prepared, 0);
    let mut child = prepared.spawn().map_err(lost)?;
    // Each pipe has a thread: a command that reads nothing, or writes much, holds up none of the others.
    let stdin = child.stdin.take();
    let text = arguments.as_str().to_owned();
    thread::spawn(move || {
        // A command that does not want its arguments says so by its end.
        stdin.map(|mut stdin| stdin.write_all(text.as_bytes()))
    });
    let stdout = reading(child.stdout.take(), RESULT_BYTES_MAX);
    let stderr = reading(child.stderr.take(), STDERR_BYTES_MAX);
    let status = wait(&mut child, timeout, control)?;
    // What it left behind would hold its output open.
    end(&mut child);
    if !status.success() {
        let told = stderr.recv_timeout(LEFT_OPEN).unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        return Err(failed(
            GatewayErrorCode::ToolFailed,
            format!("{status}: {}", told.trim()),
        ));
    }
    let stdout = stdout.recv_timeout(LEFT_OPEN);
    result(stdout.map_err(|_| {
        let message = "the command left its output open to another process";
        failed(GatewayErrorCode::ToolFailed, message)
    })?)
}

/// Reads a pipe to its end, and keeps a byte more of it than the bound; what could not be read is not there.
fn reading(pipe: Option<impl Read + Send + 'static>, bytes_max: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(bytes_max + 1).read_to_end(&mut bytes);
            // A command that has more to say is not to fail for it.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        // Nobody waits for it where the command was stopped.
        let _ = sender.send(bytes);
    });
    receiver
}

fn result(stdout: Vec<u8>) -> Result<Json, GatewayError> {
    if stdout.len() as u64 > RESULT_BYTES_MAX {
        let message = format!("the result has more than {RESULT_BYTES_MAX} bytes");
        return Err(failed(GatewayErrorCode::ToolFailed, message));
    }
    let text = String::from_utf8(stdout).ok();
    text.and_then(|text| Json::new(text.trim()).ok())
        .ok_or_else(|| {
            failed(
                GatewayErrorCode::ToolFailed,
                "the result is not strict JSON",
            )
        })
}

fn wait(
    child: &mut Child,
    timeout: Duration,
    control: &Control,
) -> Result<ExitStatus, GatewayError> {
    let until = Instant::now() + timeout;
    let stopped = loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if control.is_cancelled() => break GatewayError::cancelled(),
            Ok(None) if Instant::now() >= until => {
                break failed(GatewayErrorCode::Timeout, "the command took too long");
            }
            Ok(None) => thread::sleep(TICK),
            Err(error) => break failed(GatewayErrorCode::Unavailable, error.to_string()),
        }
    };
    end(child);
    Err(stopped)
}

/// Ends a command with what it started. One that has ended meanwhile is as good as killed.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
