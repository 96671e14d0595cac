//! One plain claim of each kind, and its variants: private, failed, aborted.

use std::collections::BTreeMap;

use tenzik_receipt::claim::{AttestedKind, RefusedKind, WasmKind};
use tenzik_receipt::{
    AttestedClaim, AttestedRequest, AttestedStatus, Blake3, Detail, Disclosed, Encode, InputType,
    PrivateMember, RefusedClaim, RefusedRequest, RunSecret, Seed, Sha256, Stage, Status, WasmClaim,
    WasmLimits, WasmRequest,
};

use super::{CAPSULE, INPUT, OUTPUT, SECRET, int, label};

pub(crate) fn wasm_request() -> WasmRequest {
    WasmRequest {
        abi: label("tenzik_v1"),
        capsule: Blake3::of(CAPSULE),
        clock_ms: int(1_795_161_600_000),
        grants: ["json", "hash"].into_iter().map(label).collect(),
        input: Disclosed::Open(Blake3::of(INPUT)),
        input_type: InputType::Json,
        limits: WasmLimits {
            fuel: int(50_000_000),
            host_calls: int(100),
            memory_pages: int(512),
            output_bytes: int(1_048_576),
            stack: int(1_048_576),
        },
        metering: label("wasmtime-48"),
        policy: None,
        rules: Blake3::of(b"rules"),
        seed: Disclosed::Open(Seed::from_bytes([7; 32])),
    }
}

/// A run that ended well, in the open.
pub(crate) fn wasm() -> WasmClaim {
    let request = wasm_request();
    WasmClaim {
        abi: request.abi,
        capsule: request.capsule,
        clock_ms: request.clock_ms,
        detail: None,
        fuel: Some(Disclosed::Open(int(12_345))),
        grants: request.grants,
        host_calls: Some(Disclosed::Open(BTreeMap::from([
            (label("hash_commit"), int(2)),
            (label("json_get"), int(9)),
        ]))),
        input: request.input,
        input_type: request.input_type,
        kind: WasmKind,
        limits: request.limits,
        memory_pages_peak: Some(Disclosed::Open(int(2))),
        metering: request.metering,
        output: Some(Disclosed::Open(Blake3::of(OUTPUT))),
        policy: request.policy,
        rules: request.rules,
        seed: request.seed,
        status: Status::Ok,
        transcript: None,
    }
}

/// The same run with every member that could tell of the input under [`SECRET`].
pub(crate) fn private() -> WasmClaim {
    let secret = RunSecret::from_bytes(SECRET);
    keyed(wasm(), &secret)
}

/// Replaces what is open by commitments; input and output are those of [`INPUT`] and [`OUTPUT`].
pub(crate) fn keyed(claim: WasmClaim, secret: &RunSecret) -> WasmClaim {
    use PrivateMember as Member;
    fn hide<T: Encode>(open: Disclosed<T>, member: Member, secret: &RunSecret) -> Disclosed<T> {
        let commitment = open.open().map(|value| secret.commit_value(member, value));
        commitment.map_or(open, Disclosed::Keyed)
    }
    WasmClaim {
        detail: claim.detail.map(|it| hide(it, Member::Detail, secret)),
        fuel: claim.fuel.map(|it| hide(it, Member::Fuel, secret)),
        host_calls: claim
            .host_calls
            .map(|it| hide(it, Member::HostCalls, secret)),
        input: Disclosed::Keyed(secret.commit(Member::Input, INPUT)),
        memory_pages_peak: claim
            .memory_pages_peak
            .map(|it| hide(it, Member::MemoryPagesPeak, secret)),
        output: claim
            .output
            .map(|_| Disclosed::Keyed(secret.commit(Member::Output, OUTPUT))),
        seed: hide(claim.seed, Member::Seed, secret),
        transcript: claim
            .transcript
            .map(|it| hide(it, Member::Transcript, secret)),
        ..claim
    }
}

/// The same request, ended in a way that is not `ok`.
pub(crate) fn ended(status: Status, code: Option<&str>) -> WasmClaim {
    let claim = wasm();
    let calls = int(claim.limits.host_calls.get() + 1);
    let explained = matches!(status, Status::Aborted | Status::Failed | Status::Trapped);
    let detail = code.filter(|_| explained).map(|code| {
        Disclosed::Open(Detail {
            code: label(code),
            message: None,
        })
    });
    let all = Some(Disclosed::Open(claim.limits.fuel));
    let claim = WasmClaim {
        detail,
        output: None,
        status,
        ..claim
    };
    match status {
        Status::Aborted => WasmClaim {
            fuel: None,
            host_calls: None,
            memory_pages_peak: None,
            ..claim
        },
        Status::Failed => claim,
        Status::TooManyCalls => WasmClaim {
            fuel: all,
            host_calls: Some(Disclosed::Open(BTreeMap::from([(
                label("json_get"),
                calls,
            )]))),
            ..claim
        },
        _ => WasmClaim { fuel: all, ..claim },
    }
}

pub(crate) fn refused() -> RefusedClaim {
    RefusedClaim {
        code: label("grant_denied"),
        kind: RefusedKind,
        request: RefusedRequest::Wasm(wasm_request()),
        stage: Stage::Binding,
    }
}

/// A request that no backend could take.
pub(crate) fn unrouted() -> RefusedClaim {
    RefusedClaim {
        code: label("runtime_unavailable"),
        kind: RefusedKind,
        request: RefusedRequest::Attested(attested().request),
        stage: Stage::Routing,
    }
}

pub(crate) fn attested() -> AttestedClaim {
    AttestedClaim {
        detail: None,
        kind: AttestedKind,
        output: Some(Disclosed::Open(Blake3::of(OUTPUT))),
        request: AttestedRequest {
            arguments: Some(Blake3::of(b"[]")),
            code: Blake3::of(b"a tree"),
            environment: ["PATH", "LANG"].into_iter().map(label).collect(),
            image: Some(Sha256::of(b"an image")),
            input: Disclosed::Open(Blake3::of(INPUT)),
            input_type: InputType::Bytes,
            language: label("python"),
            limits: BTreeMap::from([(label("memory_bytes"), int(1 << 30))]),
            policy: None,
            root_file_system: None,
            runtime: Some(Blake3::of(b"an executable")),
            seccomp: None,
        },
        status: AttestedStatus::Ok,
        transcript: Some(Disclosed::Open(Sha256::of(b"calls"))),
    }
}
