//! Binding: what a validated capsule may do in one kind of run.
//!
//! Enters: a [`ValidatedCapsule`], and the [`Terms`] that a caller asks for.
//! Leaves: a [`BoundCapsule`]: grants that are both asked for and allowed, limits that are all set.
//! Refuses: a capsule that imports more than it is granted, limits above the host's, tools without a gateway.
//!
//! One `BoundCapsule` serves any number of runs.

use std::sync::Arc;

use tenzik_receipt::{Blake3, Label, Sorted};

use crate::capability::{Capability, Grants, HostFunction};
use crate::config::{RuntimeConfig, SecurityConfig};
use crate::gateway::Tools;
use crate::limits::{LimitRefused, Limits, LimitsAsked, label};
use crate::rules::Metering;
use crate::validation::ValidatedCapsule;

/// What a caller asks for, beside the input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Capabilities asked for. None by default.
    pub grants: Grants,
    /// Limits asked for.
    pub limits: LimitsAsked,
    /// The digest of the policy that the request was checked against, if one is named. It is carried
    /// into the claim as it stands.
    pub policy: Option<Blake3>,
    /// The tools that `tools` stands for, if this host has any. Without that grant they are out of reach.
    pub tools: Option<Tools>,
}

/// Why a capsule was not bound. The caller can mend each of these but `NoGateway`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A limit is zero or above what the host allows.
    #[error(transparent)]
    Limit(#[from] LimitRefused),
    /// The capsule starts with more memory than it may have.
    #[error("the capsule starts with {pages} memory pages, the limit is {allowed}")]
    Memory {
        /// Its initial memory.
        pages: u32,
        /// The limit.
        allowed: u32,
    },
    /// The capsule imports a function whose capability is not granted.
    #[error("the capsule imports {function}, which needs the grant {capability}: {reason}")]
    MissingGrant {
        /// The import.
        function: HostFunction,
        /// What has to be granted.
        capability: Capability,
        /// Who did not grant it.
        reason: GrantGap,
    },
    /// Tools are granted, and this host has no gateway to them.
    #[error("tools are granted, but this host has no gateway to any")]
    NoGateway,
}

/// Who did not grant a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantGap {
    /// The host's policy does not allow it.
    #[error("this host does not allow it")]
    NotAllowed,
    /// The request does not ask for it.
    #[error("the request does not ask for it")]
    NotAsked,
}

impl BindError {
    /// The code that stands in a refusal's receipt.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Limit(_) => "limit",
            Self::Memory { .. } => "memory",
            Self::MissingGrant { .. } => "missing_grant",
            Self::NoGateway => "no_gateway",
        }
    }

    /// What the caller can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Limit(_) => "ask for less, or raise the host's ceiling",
            Self::Memory { .. } => {
                "raise the memory limit, or build the capsule with less initial memory"
            }
            Self::MissingGrant {
                reason: GrantGap::NotAsked,
                ..
            } => "grant the capability in the request",
            Self::MissingGrant { .. } => "allow the capability on this host",
            Self::NoGateway => "run without the grant, or on a host with a tool gateway",
        }
    }
}

/// Checks terms against what a host permits.
#[derive(Clone, Debug)]
pub struct Sandbox {
    allowed: Grants,
    ceilings: Limits,
    defaults: Limits,
    metering: Metering,
}

/// A capsule with all it may do. Made by [`Sandbox::bind`] alone.
#[derive(Clone, Debug)]
pub struct BoundCapsule {
    capsule: ValidatedCapsule,
    /// Shared with every outcome.
    terms: Arc<BoundTerms>,
    /// There if `tools` is granted, and only then.
    tools: Option<Tools>,
}

/// The terms as they stand in a claim: nothing is left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTerms {
    /// What is granted: asked for and allowed.
    pub grants: Grants,
    /// The grants as a receipt has them.
    pub grant_labels: Sorted<Label>,
    /// The limits as they were asked for.
    pub asked: LimitsAsked,
    /// The limits in force.
    pub limits: Limits,
    /// The policy's digest.
    pub policy: Option<Blake3>,
    /// Whose units fuel and stack are in.
    pub metering: Metering,
}

impl Sandbox {
    /// A sandbox with a host's permissions and defaults.
    pub fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Self {
        Self {
            allowed: security.allowed_capabilities.clone(),
            ceilings: security.limits_max,
            // What nobody asked for is not refused for being too much.
            defaults: runtime.limits.at_most(&security.limits_max),
            metering: Metering::default(),
        }
    }

    /// What no request's limits may pass.
    pub(crate) const fn ceilings(&self) -> &Limits {
        &self.ceilings
    }

    /// The same for another metering.
    pub(crate) const fn with_metering(mut self, metering: Metering) -> Self {
        self.metering = metering;
        self
    }

    /// The terms with defaults filled in and grants cut to what is allowed. Refuses nothing: a refused
    /// request has resolved terms too.
    pub fn resolve(&self, terms: &Terms) -> BoundTerms {
        let grants = terms.grants.intersection(&self.allowed);
        BoundTerms {
            grant_labels: grants.iter().map(|grant| label(grant.name())).collect(),
            grants,
            asked: terms.limits,
            limits: self.defaults.with(&terms.limits),
            policy: terms.policy,
            metering: self.metering,
        }
    }

    /// Binds a capsule.
    ///
    /// # Errors
    /// [`BindError`], the first that applies in this order: limits, memory, tools, grants in the order of import names.
    pub fn bind(
        &self,
        capsule: ValidatedCapsule,
        terms: &Terms,
    ) -> Result<BoundCapsule, BindError> {
        let resolved = self.resolve(terms);
        resolved.limits.within(&self.ceilings)?;
        let (pages, allowed) = (capsule.memory_pages_min(), resolved.limits.memory_pages);
        if pages > allowed {
            return Err(BindError::Memory { pages, allowed });
        }
        let granted = resolved.grants.contains(Capability::Tools);
        let tools = terms.tools.clone().filter(|_| granted);
        if granted && tools.is_none() {
            return Err(BindError::NoGateway);
        }
        for &function in capsule.imports() {
            self.require(function, &resolved.grants)?;
        }
        Ok(BoundCapsule {
            capsule,
            terms: Arc::new(resolved),
            tools,
        })
    }

    fn require(&self, function: HostFunction, grants: &Grants) -> Result<(), BindError> {
        match function.import().capability {
            Some(capability) if !grants.contains(capability) => Err(BindError::MissingGrant {
                function,
                capability,
                reason: if self.allowed.contains(capability) {
                    GrantGap::NotAsked
                } else {
                    GrantGap::NotAllowed
                },
            }),
            _ => Ok(()),
        }
    }
}

impl BoundCapsule {
    /// The capsule.
    pub const fn capsule(&self) -> &ValidatedCapsule {
        &self.capsule
    }

    /// What it may do and use.
    pub const fn terms(&self) -> &Arc<BoundTerms> {
        &self.terms
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.terms.limits
    }

    /// The tools that it may call.
    pub(crate) const fn tools(&self) -> Option<&Tools> {
        self.tools.as_ref()
    }
}
