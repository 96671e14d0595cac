//! What the operator is told: log lines on stderr, and traces over OTLP if there is a collector.
//!
//! Enters: spans and events of this crate. Leaves: lines, and spans for requests and runs. Refuses: to carry inputs, outputs, tokens
//! or secrets; nothing that a request's body holds becomes a field, and no figure that a private receipt hides.

mod export;

use std::io::stderr;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use crate::config::{LogFormat, LogLevel, TelemetryConfig};

/// The target of all that this crate tells.
const OWN: &str = "tenzik_node";

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The exporter cannot be set up.
    #[error("traces cannot be exported: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The process has a logger already.
    #[error("this process has a logger already")]
    Set(#[from] tracing_subscriber::util::TryInitError),
}

/// The process's logger. Traces that wait to be exported go with [`shutdown`](Self::shutdown).
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets the process's logger.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn install(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let endpoint = config.otlp_endpoint.as_deref();
        let traces = endpoint.map(export::provider).transpose()?;
        let spans = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(OWN))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(is_own_span))
        });
        Registry::default()
            .with(spans)
            .with(lines(config))
            .try_init()?;
        Ok(Self { traces })
    }

    /// Exports what waits. Blocks for some seconds at most.
    pub fn shutdown(self) {
        if let Some(Err(error)) = self.traces.map(|traces| traces.shutdown()) {
            tracing::warn!(%error, "traces were lost");
        }
    }
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(OWN)
}

fn lines<S>(config: &TelemetryConfig) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let level = match config.log_level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
    };
    // Libraries tell more than an operator wants, and some of it is foreign.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OWN, level);
    let lines = fmt::layer().with_writer(stderr);
    match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
    }
}

/// The span of a request, below the caller's own if it names one by the header `traceparent` (W3C Trace Context, level 1).
pub(crate) fn request_span(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        caller = field::Empty,
    );
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // Without a collector there is nothing to put it under.
        let _ = span.set_parent(parent);
    }
    span
}

/// What the span of a request ends with. A refusal is the caller's fault, and no error of ours.
pub(crate) fn end(span: &Span, status: u16) {
    // The bridge to OTLP has numbers with a sign only.
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "error");
    }
}

/// What a run has used. Fuel is below 2^53.
pub(crate) fn used(span: &Span, fuel: u64) {
    span.record("fuel", fuel.cast_signed());
}

/// The span of a run.
pub(crate) fn run_span() -> Span {
    tracing::info_span!("run", status = field::Empty, fuel = field::Empty)
}
