//! `run`, resolved: everything read, every gap filled.
//!
//! Enters: [`Args`] and the settings. Leaves: a [`Plan`] that needs nothing more from outside.
//! Refuses: what cannot be read, and a receipt that would have nowhere to go, before anything has run.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use tenzik::config::Engines;
use tenzik::gateway::{SessionLimits, Tools};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::pipeline::{Order, Pipeline};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::sandbox::Terms;
use tenzik_receipt::{
    Audience, Epoch, KeyUse, RequestSignature, RequestStatement, RunSecret, SecretKey, Seed,
    SignError, Timestamp,
};

use super::args::Args;
use crate::args::Context;
use crate::error::{Exit, Explain, Failure};
use crate::source::{CAPSULE, stdin_once};
use crate::{files, keyfile, own, system, text, tools};

/// A run that can begin.
pub(crate) struct Plan {
    /// What is to be run.
    pub(crate) order: Order,
    /// Where the receipt goes; absent means the store.
    pub(crate) receipt: Option<PathBuf>,
    /// Where the transcript goes, if it is wanted.
    pub(crate) transcript: Option<PathBuf>,
    /// Whether the receipt will hide the seed.
    pub(crate) private: bool,
    key: SecretKey,
    audience: Option<Audience>,
    issued_at: Timestamp,
    requester: Option<SecretKey>,
    secret: Option<RunSecret>,
}

/// The receipt would have nowhere to go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestinationError {
    /// It is a directory.
    #[error("{0} is a directory, and the receipt is a file")]
    Directory(String),
    /// Its directory is not there.
    #[error("there is no directory {0} for the receipt")]
    NoDirectory(String),
    /// Stdout is the output's.
    #[error("the receipt cannot go to stdout, which is the output's")]
    Stdout,
}

impl Explain for DestinationError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoDirectory(_) => Exit::NotFound,
            Self::Directory(_) | Self::Stdout => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoDirectory(_) => "not_found",
            Self::Directory(_) | Self::Stdout => "usage",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Directory(path) => format!(
                "name a file in it, such as {}/receipt.json",
                path.trim_end_matches('/')
            )
            .into(),
            Self::NoDirectory(_) => "make the directory, or name another".into(),
            Self::Stdout => "name a file, or use --json, which gives both".into(),
        }
    }
}

impl Plan {
    /// Reads what the arguments name. Nothing has run when this refuses.
    pub(crate) fn resolve(args: Args, context: &Context) -> Result<Self, Failure> {
        let (capsule, input) = (args.capsule(), args.input());
        stdin_once(&[("capsule", Some(&capsule)), ("input", input.source())])?;
        if let Some(path) = &args.receipt {
            check_destination(path)?;
        }
        let capsule = capsule.read(CAPSULE)?.into();
        let request = request(&args, input.read()?)?;
        let secret = args
            .secret
            .as_deref()
            .map(keyfile::read_secret)
            .transpose()?;
        let requester = args.requester.as_deref();
        let requester = requester
            .map(|path| keyfile::read_for(path, KeyUse::Requester))
            .transpose()?;
        if let Some(path) = &args.transcript {
            check_destination(path)?;
        }
        let terms = terms(&args)?;
        let (home, settings) = (&context.home, &context.settings);
        Ok(Self {
            order: Order {
                capsule,
                terms,
                request,
            },
            private: secret.is_some(),
            key: own::receipt_key(args.key, settings, home, &context.console)?,
            audience: audience(args.audience, args.challenge, args.expires),
            issued_at: system::now()?,
            receipt: args.receipt,
            transcript: args.transcript,
            requester,
            secret,
        })
    }

    /// The pipeline with this plan's key, and what will stand around the claim.
    pub(crate) fn set_up(
        self,
        context: &Context,
    ) -> Result<(Pipeline, Order, Circumstances), Failure> {
        let epoch = Epoch::from_bytes(*system::random()?);
        let sealer = Sealer::new(self.key, epoch)?;
        let settings = &context.settings;
        let security = match self.order.terms.tools {
            Some(_) => tools::allowed(&settings.security),
            None => settings.security.clone(),
        };
        let mut runtime = settings.runtime.clone();
        if security.enable_debugging {
            // The interpreter does not tell where a capsule trapped. The claim is the same.
            runtime.engines = Engines::Wasmtime;
        }
        let pipeline = Pipeline::new(&security, &runtime, sealer)?;
        let secret = self.secret.as_ref();
        let statement = RequestStatement {
            audience: self.audience.clone(),
            node: pipeline.node(),
            request_id: pipeline.request(&self.order, secret).id(),
        };
        let request = self.requester.map(|key| signed(&key, &statement));
        let circumstances = Circumstances {
            audience: self.audience,
            request: request.transpose()?,
            secret: self.secret,
            ..Circumstances::at(self.issued_at)
        };
        Ok((pipeline, self.order, circumstances))
    }
}

fn signed(key: &SecretKey, statement: &RequestStatement) -> Result<RequestSignature, SignError> {
    key.sign_request(statement)
}

pub(crate) fn check_destination(path: &Path) -> Result<(), DestinationError> {
    if path.as_os_str() == "-" {
        return Err(DestinationError::Stdout);
    }
    if path.is_dir() {
        return Err(DestinationError::Directory(text::path(path)));
    }
    let directory = files::directory(path);
    if directory.is_dir() {
        return Ok(());
    }
    Err(DestinationError::NoDirectory(text::path(&directory)))
}

fn request(args: &Args, input: Vec<u8>) -> Result<Request, Failure> {
    let seed = match args.seed {
        Some(seed) => seed,
        None => Seed::from_bytes(*system::random()?),
    };
    let clock_ms = match args.clock {
        Some(clock) => clock,
        None => system::now_ms()?,
    };
    Ok(Request {
        input: input.into(),
        input_type: args.input_type,
        clock_ms,
        seed,
    })
}

fn terms(args: &Args) -> Result<Terms, Failure> {
    let gateway = args.tools.as_deref().map(tools::read).transpose()?;
    let limits = SessionLimits {
        tool_calls: args.tool_calls,
        chain_steps: 1,
    };
    Ok(Terms {
        grants: args.grant.iter().copied().collect(),
        limits: LimitsAsked {
            fuel: args.fuel,
            host_calls: args.host_calls,
            memory_pages: args.memory_pages,
            output_bytes: args.output_bytes,
            time_ms: args.timeout,
        },
        policy: None,
        tools: gateway.map(|gateway| Tools::new(gateway, limits)),
    })
}

/// clap has seen to it that all three are there or none.
fn audience(
    name: Option<tenzik_receipt::Label>,
    challenge: Option<tenzik_receipt::Challenge>,
    expires_at: Option<Timestamp>,
) -> Option<Audience> {
    Some(Audience {
        challenge: challenge?,
        expires_at: expires_at?,
        name: name?,
    })
}
