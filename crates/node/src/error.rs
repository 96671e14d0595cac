//! Refusals as HTTP: what the caller is told, and what the log says.
//!
//! Enters: a status, a stable code, words. Leaves: `{"version":1,"error":{"code":…,"message":…,"hint":…}}`.
//! Refuses: nothing. What a cause says goes to the log and never to the caller; what a caller sent never goes to the log.

use std::borrow::Cow;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::callers::Role;

/// A refusal.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    told: Told,
    retry_after_s: Option<u64>,
    cause: Option<String>,
}

/// What the caller is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Told {
    /// Stable; what a program looks at.
    #[schema(value_type = String, example = "body_too_large")]
    code: Cow<'static, str>,
    /// What happened, for people.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// What to do about it.
    #[schema(value_type = String)]
    hint: Cow<'static, str>,
}

/// The body of every refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody<'a> {
    /// 1.
    version: u8,
    #[schema(inline)]
    error: &'a Told,
}

/// What the log says of a refusal; it travels with the response to where it is logged.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    /// The code.
    pub(crate) code: Cow<'static, str>,
    /// The cause, where the caller is not told it.
    pub(crate) cause: Option<String>,
}

impl ApiError {
    /// A refusal of the caller's own words and ours. Foreign text in `message` is bounded by who writes it.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            told: Told {
                code: code.into(),
                message: message.into(),
                hint: hint.into(),
            },
            retry_after_s: None,
            cause: None,
        }
    }

    /// 400: the request cannot be taken as it stands.
    pub fn bad_request(
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        hint: &'static str,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, hint)
    }

    /// 401: whoever this is, the node does not know them. One answer for each reason.
    pub fn unauthorized() -> Self {
        let message = "this needs a caller that the node knows";
        let hint = "send Authorization: Bearer TOKEN, or a client certificate, that stands in the node's callers file and has not expired";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message, hint)
    }

    /// 403: the caller is known, and lacks the role.
    pub fn forbidden(role: Role) -> Self {
        let message = format!("this needs the role {}", role.name());
        let hint = "ask the node's operator for the role";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message, hint)
    }

    /// 404 for what is not there and for what is not for this caller. The bytes are always the same.
    pub fn not_found() -> Self {
        let message = "there is nothing here for this caller";
        let hint = "/openapi.json lists what the node answers";
        Self::new(StatusCode::NOT_FOUND, "not_found", message, hint)
    }

    /// 405. The header `Allow` has the methods.
    pub fn method_not_allowed() -> Self {
        let hint = "the header Allow lists the methods";
        let message = "this path does not take the method";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
            hint,
        )
    }

    /// 408: the client was too slow.
    pub fn too_slow() -> Self {
        let message = "the request did not arrive in time";
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            message,
            "send it faster, or send less",
        )
    }

    /// 409: it cannot be beside what is there.
    pub fn conflict(code: &'static str, message: &'static str, hint: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code, message, hint)
    }

    /// 410: it was there.
    pub fn gone() -> Self {
        let message = "this is no longer kept";
        let hint = "what it was cannot be had any more";
        Self::new(StatusCode::GONE, "gone", message, hint)
    }

    /// 422: the time for it is over.
    pub(crate) fn expired() -> Self {
        Self::unprocessable(
            "expires_at",
            "the request has expired, or is meant for longer than the node remembers it",
            "let it expire within the hour after the longest run",
        )
    }

    /// 413.
    pub fn too_large(bytes_max: u64) -> Self {
        let message = format!("the body has more than {bytes_max} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            message,
            "send less",
        )
    }

    /// 415.
    pub fn media_type(wanted: &'static str) -> Self {
        let message = format!("the body's type is not {wanted}");
        let hint = format!("send Content-Type: {wanted}, without a Content-Encoding");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            message,
            hint,
        )
    }

    /// 422: it was understood, and is refused.
    pub fn unprocessable(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message, hint)
    }

    /// 429: a quota is used up.
    pub fn quota(retry_after_s: u64) -> Self {
        let message = "the caller's quota is used up";
        let hint = "wait as long as Retry-After says";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "quota", message, hint).retry_after(retry_after_s)
    }

    /// 429: the caller has all that one caller may have at a time.
    pub(crate) fn share() -> Self {
        Self::quota(1)
    }

    /// 500: the node's fault.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let message = "the node failed";
        let hint = "try again; if it stays, tell the node's operator";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, hint).caused_by(cause)
    }

    /// 503: the node has no room for it now.
    pub fn busy() -> Self {
        let message = "the node has no room for this now";
        let hint = "wait as long as Retry-After says";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message, hint).retry_after(1)
    }

    /// 503: a part of the node does not work now.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        let message = "a part of the node does not work now";
        let hint = "/readyz says which; try again later";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            message,
            hint,
        )
        .retry_after(5)
        .caused_by(cause)
    }

    /// 503: the answer was not ready in time.
    pub fn timeout() -> Self {
        let message = "the answer was not ready in time";
        let hint = "ask for less, or try again when the node has less to do";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message, hint).retry_after(1)
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same, with what the log says of it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same, told of a program that may have run: whoever sends it again under another id may have it done twice.
    #[must_use]
    pub(crate) fn behind_its_beginning(mut self) -> Self {
        self.told.hint = "it may have run: see what it did before you send it again".into();
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What the caller is told, to stand in an answer that has more members.
    pub(crate) const fn told(&self) -> &Told {
        &self.told
    }

    /// Writes its cause to the log, if it has one: for what is told elsewhere than in a response's head.
    pub(crate) fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(code = self.told.code.as_ref(), cause, "told");
        }
    }

    /// The body of the answer.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let body = ErrorBody {
            version: 1,
            error: &self.told,
        };
        // Three strings are always JSON.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The response with another body.
    pub(crate) fn respond(self, body: Vec<u8>) -> Response {
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Logged {
            code: self.told.code,
            cause: self.cause,
        });
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.to_body();
        self.respond(body)
    }
}
