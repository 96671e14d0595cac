//! `check`: everything that keeps a module from being a capsule, and what the capsule needs granted.
//!
//! Enters: a module. Leaves: all findings, each with code, place, what is allowed and a remedy. Refuses: nothing; an
//! invalid module is an answer, with its exit code. Nothing is compiled and nothing is run.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::Arc;

use serde_json::{Value, json};
use tenzik::capability::Grants;
use tenzik::validation::{
    Finding, Rejection, Severity, ValidatedCapsule, ValidationConfig, validate,
};

use crate::args::Context;
use crate::error::{Exit, Explain, Failure};
use crate::output::Reply;
use crate::source::{CAPSULE, Source};

/// `check`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The module's file, or - for stdin
    capsule: OsString,
}

/// The module is no capsule.
#[derive(Debug, thiserror::Error)]
#[error("{id} is not a capsule: {count} {}", if *.count == 1 { "finding" } else { "findings" })]
pub(crate) struct Invalid {
    id: tenzik_receipt::Blake3,
    count: usize,
}

impl From<&Rejection> for Invalid {
    fn from(rejection: &Rejection) -> Self {
        Self {
            id: rejection.id,
            count: rejection.findings.len() + rejection.findings_more,
        }
    }
}

impl Explain for Invalid {
    fn exit(&self) -> Exit {
        Exit::InvalidCapsule
    }

    fn code(&self) -> &'static str {
        "invalid_capsule"
    }

    fn hint(&self) -> Cow<'static, str> {
        "each finding says what to change".into()
    }
}

/// Checks a module.
pub(crate) fn check(args: &Args, context: &Context) -> Result<Reply, Failure> {
    match examine(args.capsule.clone(), context)? {
        Ok(capsule) => Ok(accepted(&capsule)),
        Err(rejection) => Ok(rejected(&rejection)),
    }
}

/// Reads a module and validates it as `run` would.
pub(crate) fn examine(
    capsule: OsString,
    context: &Context,
) -> Result<Result<ValidatedCapsule, Rejection>, Failure> {
    Ok(examine_bytes(Source::from(capsule).read(CAPSULE)?, context))
}

/// Validates a module as `run` would.
pub(crate) fn examine_bytes(
    bytes: impl Into<Arc<[u8]>>,
    context: &Context,
) -> Result<ValidatedCapsule, Rejection> {
    let config = ValidationConfig {
        capsule_bytes_max: context.settings.security.capsule_bytes_max,
    };
    validate(bytes, &config)
}

fn accepted(capsule: &ValidatedCapsule) -> Reply {
    let grants = capsule.required_grants();
    let mut text: String = capsule.warnings().iter().map(told).collect();
    text += &format!(
        "valid      {}, {} bytes\n",
        capsule.id(),
        capsule.bytes().len()
    );
    text += &format!("grants     {}\n", needed(&grants));
    Reply::new(
        text,
        json!({
            "id": capsule.id().to_string(),
            "valid": true,
            "bytes": capsule.bytes().len(),
            "grants": names(&grants),
            "findings": capsule.warnings().iter().map(finding).collect::<Vec<_>>(),
        }),
    )
}

/// What a module that is no capsule has to hear.
pub(crate) fn rejected(rejection: &Rejection) -> Reply {
    let mut text: String = rejection.findings.iter().map(told).collect();
    if rejection.findings_more > 0 {
        text += &format!("and {} more\n", rejection.findings_more);
    }
    let members = json!({
        "id": rejection.id.to_string(),
        "valid": false,
        "bytes": rejection.bytes,
        "findings": rejection.findings.iter().map(finding).collect::<Vec<_>>(),
        "findings_more": rejection.findings_more,
    });
    Reply::new(text, members).failing(Failure::from(Invalid::from(rejection)))
}

fn told(finding: &Finding) -> String {
    let place = finding.offset.map(|offset| format!(" at {offset:#x}"));
    format!(
        "{:<10} {}{}\n  found    {}\n  allowed  {}\n  remedy   {}\n",
        severity(finding),
        finding.code,
        place.unwrap_or_default(),
        finding.found,
        finding.allowed,
        finding.remedy
    )
}

fn finding(finding: &Finding) -> Value {
    json!({
        "severity": severity(finding),
        "code": finding.code.as_str(),
        "offset": finding.offset,
        "found": finding.found,
        "allowed": finding.allowed,
        "remedy": finding.remedy,
    })
}

const fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The grants as `run` takes them.
pub(crate) fn needed(grants: &Grants) -> String {
    if grants.is_empty() {
        return "none needed".to_owned();
    }
    format!("--grant {grants}")
}

/// The grants by name.
pub(crate) fn names(grants: &Grants) -> Vec<&'static str> {
    grants
        .iter()
        .map(tenzik::capability::Capability::name)
        .collect()
}
