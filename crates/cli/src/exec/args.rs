//! What `exec` is told on the command line.
//!
//! Enters: arguments. Leaves: a request for the router. Refuses: values that are not of their type, code that cannot be read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tenzik::capability::{Capability, UnknownCapability};
use tenzik::router::{Capsule, Code, CodeError, CodeTree, ExecuteRequest, Limit, Program, WASM};
use tenzik_node::remote::{Remote, RemoteConfig};
use tenzik_receipt::{InputType, Label, NotALabel, Profile, PublicKey, Sha256};

use crate::error::{Exit, Failure};
use crate::remote::{self, Manners};
use crate::source::{CAPSULE, Input, Source, stdin_once};
use crate::{run, text, tools};

const EXAMPLES: &str = "\
Examples:
  tenzik exec --profile dev --unsafe-host --lang shell --code 'echo {\\\"ok\\\":1} >&3'
  tenzik exec --profile standard --lang python --code @main.py --input '[1]' --limit pids=16
  tenzik exec --profile standard --lang javascript --code @tool.mjs --input '{\\\"a\\\":1}'
  tenzik exec --profile hardened --root ./root --lang shell --code @main.sh --input '[1]'
  tenzik exec --profile hardened --lang wasm --code @echo.wasm --input '[1]'
  tenzik exec --profile standard --lang shell --code @main.sh --url https://node.example --node ed25519:… --token-file token";

/// The node that is named, as a backend.
static REMOTE: Label = Label::constant("remote");

/// `exec`, as it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What it must at least be isolated like
    #[arg(long, value_name = "dev|standard|hardened", value_parser = profile)]
    profile: Profile,
    /// What it is written in: wasm, javascript, typescript, shell, python
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = label)]
    language: Label,
    /// The code as it stands, @FILE, @DIRECTORY with --entry, or - for stdin
    #[arg(long, value_name = "CODE|@PATH|-", allow_hyphen_values = true)]
    code: OsString,
    /// The file in the directory that is run
    #[arg(long, value_name = "PATH")]
    entry: Option<String>,
    /// The input: JSON as it stands, @FILE, or - for stdin; without it, `null`, or no bytes
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<OsString>,
    /// How input and output are read: strict JSON, or any bytes
    #[arg(long, value_name = "json|bytes", default_value = "json", value_parser = run::input_type)]
    input_type: InputType,
    /// The backend; without it, the first that fits
    #[arg(long, value_name = "NAME", value_parser = label)]
    backend: Option<Label>,
    /// A limit: chain_steps, cpu_ms, disk_bytes, memory_bytes, output_bytes, pids, tool_calls, wall_ms
    #[arg(long = "limit", value_name = "NAME=N", value_parser = limit)]
    limits: Vec<(Limit, i64)>,
    /// An argument for the code, once for each
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// A variable for the code, once for each
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// What a capsule may use
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = capability)]
    grant: Vec<Capability>,
    /// The tools that it may call: a file of commands
    #[arg(long, value_name = "FILE")]
    pub(super) tools: Option<PathBuf>,
    /// Where goes what they were asked and answered
    #[arg(long, value_name = "FILE", requires = "tools")]
    pub(super) transcript: Option<PathBuf>,
    /// Where a JavaScript runtime is, if not where the settings say
    #[arg(long = "runtime", value_name = "bun|deno|node=PATH", value_parser = runtime)]
    pub(super) runtimes: Vec<(String, PathBuf)>,
    /// What a JavaScript function may do, once for each: net=HOST, read=PATH, run=PROGRAM, write=PATH; without a value, all
    #[arg(long = "allow", value_name = "KIND[=VALUE]")]
    pub(super) allow: Vec<String>,
    /// The directory that is a container's root file system, read-only
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// The image of a container by a Docker engine, by its id: sha256 and 64 hex digits
    #[arg(long, value_name = "DIGEST")]
    pub(super) image: Option<Sha256>,
    /// Run it at this node, whose receipt must hold
    #[arg(long, value_name = "URL", value_parser = remote::node_url, requires = "node", conflicts_with_all = ["allow", "backend", "root", "runtimes", "tools", "unsafe_host"])]
    url: Option<String>,
    /// The node's receipt key, as its operator told it
    #[arg(long, value_name = "KEY", requires = "url")]
    node: Option<PublicKey>,
    /// The name that the node's receipt is for
    #[arg(long, value_name = "NAME", value_parser = label, default_value = "tenzik exec")]
    audience: Label,
    #[command(flatten)]
    manners: Manners,
    /// Allow backends that isolate nothing, for profile dev
    #[arg(long)]
    pub(super) unsafe_host: bool,
    /// The key that signs the receipt; without it, your own, made if you have none
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Where the receipt goes; without it, to your store
    #[arg(long, value_name = "FILE")]
    pub(super) receipt: Option<PathBuf>,
}

impl Args {
    /// Whether it may run without isolation, and that is enough for what was asked.
    #[cfg(target_os = "linux")]
    pub(super) fn isolates_nothing(&self) -> bool {
        self.unsafe_host && self.profile == Profile::Dev
    }

    /// Whether it is a function in JavaScript or TypeScript.
    #[cfg(target_os = "linux")]
    pub(super) fn is_function(&self) -> bool {
        matches!(self.language.as_str(), "javascript" | "typescript")
    }

    /// Whether a backend was named, and it is this one.
    #[cfg(target_os = "linux")]
    pub(super) fn asks_for(&self, kind: &str) -> bool {
        self.backend
            .as_ref()
            .is_some_and(|named| named.as_str() == kind)
    }

    /// The node that it runs at, if one is named.
    pub(super) fn remote(&self) -> Result<Option<Remote>, Failure> {
        let (Some(url), Some(node)) = (&self.url, self.node) else {
            return Ok(None);
        };
        let (client, token) = self.manners.open(url)?;
        let config = RemoteConfig {
            kind: REMOTE.clone(),
            url: url.clone(),
            token,
            node,
            audience: self.audience.clone(),
            languages: vec![self.language.clone()],
        };
        let remote = Remote::new(config, client).map_err(|error| {
            usage(
                &error.to_string(),
                "give an https:// URL, and the key that the operator told",
            )
        });
        remote.map(Some)
    }

    /// The request, with everything read that is named.
    pub(super) fn request(&self) -> Result<ExecuteRequest, Failure> {
        let input = match (&self.input, self.input_type) {
            (Some(input), _) => Input::from(input.clone()),
            (None, InputType::Json) => Input::Inline(b"null".to_vec()),
            (None, InputType::Bytes) => Input::Inline(Vec::new()),
        };
        let code = Input::from(self.code.clone());
        stdin_once(&[("code", code.source()), ("input", input.source())])?;
        let code = match self.language == WASM {
            true => self.capsule(&code)?,
            false => self.program(code)?,
        };
        let mut request = ExecuteRequest::new(code, input.read()?, self.profile);
        request.input_type = self.input_type;
        let remote = self.url.as_ref().map(|_| REMOTE.clone());
        request.backend = remote.or_else(|| self.backend.clone());
        request.gateway = self.tools.as_deref().map(tools::read).transpose()?;
        for (limit, number) in &self.limits {
            request.limits = request.limits.with(*limit, Some(*number));
        }
        Ok(request)
    }

    fn capsule(&self, code: &Input) -> Result<Code, Failure> {
        let Some(source) = code.source() else {
            return Err(usage("a capsule is a file", "name it with --code @FILE"));
        };
        let mut capsule = Capsule::new(source.read(CAPSULE)?);
        capsule.grants = self.grant.iter().copied().collect();
        Ok(Code::Capsule(capsule))
    }

    fn program(&self, code: Input) -> Result<Code, Failure> {
        if !self.grant.is_empty() {
            return Err(usage(
                "only a capsule is granted something",
                "leave --grant out",
            ));
        }
        let mut program = Program::new(self.language.clone(), self.tree(code)?);
        program.image = self.image;
        program.arguments.clone_from(&self.arguments);
        program.environment = self.environment.iter().cloned().collect::<BTreeMap<_, _>>();
        Ok(Code::Program(program))
    }

    fn tree(&self, code: Input) -> Result<CodeTree, Failure> {
        let tree = match (&code, &self.entry) {
            (Input::Named(Source::File(path)), Some(entry)) => CodeTree::read(path, entry),
            (_, Some(_)) => {
                return Err(usage(
                    "--entry names a file in a directory",
                    "give --code @DIRECTORY",
                ));
            }
            (Input::Named(Source::File(path)), None) if path.is_dir() => {
                return Err(usage(
                    "the code is a directory",
                    "say with --entry which file is run",
                ));
            }
            (Input::Named(Source::File(path)), None) => CodeTree::single(&name(path), code.read()?),
            _ => CodeTree::single(self.own_name(), code.read()?),
        };
        tree.map_err(|error| unreadable(&error))
    }
}

impl Args {
    /// The name of code that has none.
    fn own_name(&self) -> &'static str {
        match self.language.as_str() {
            "javascript" => "main.mjs",
            "typescript" => "main.mts",
            _ => "main",
        }
    }
}

/// The file's own name, which runtimes tell the language by.
fn name(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "main".to_owned())
}

fn usage(message: &str, hint: &str) -> Failure {
    Failure::new(Exit::Usage, "usage", message, hint)
}

fn unreadable(error: &CodeError) -> Failure {
    let exit = match error {
        CodeError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Exit::NotFound
        }
        CodeError::Read { .. } => Exit::Other,
        _ => Exit::Usage,
    };
    let message = text::shown(&error.to_string(), text::MESSAGE_CHARS_MAX);
    Failure::new(
        exit,
        "code",
        message,
        "give a file, or a directory of plain files",
    )
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::from_name(name).ok_or_else(|| "it must be dev, standard or hardened".to_owned())
}

fn label(text: &str) -> Result<Label, NotALabel> {
    Label::new(text.to_owned())
}

fn limit(text: &str) -> Result<(Limit, i64), String> {
    let (name, number) = text.split_once('=').ok_or("it must be NAME=NUMBER")?;
    let limit = Limit::from_name(name);
    let names = Limit::ALL.map(Limit::name).join(", ");
    let limit = limit.ok_or_else(|| format!("the limits are {names}"))?;
    let number = number
        .parse()
        .map_err(|_| "the limit must be a whole number")?;
    Ok((limit, number))
}

fn runtime(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name @ ("bun" | "deno" | "node"), path)) if !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err("it must be bun=PATH, deno=PATH or node=PATH".to_owned()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn capability(name: &str) -> Result<Capability, UnknownCapability> {
    name.trim().parse()
}
