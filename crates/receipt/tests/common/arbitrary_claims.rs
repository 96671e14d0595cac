//! Arbitrary claims of all three kinds that keep every rule of their form, open and private.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tenzik_receipt::claim::{AttestedKind, RefusedKind, WasmKind};
use tenzik_receipt::{
    AttestedClaim, AttestedRequest, AttestedStatus, Blake3, Claim, Detail, Disclosed, Encode,
    InputType, Int, Keyed, RefusedClaim, RefusedRequest, RunSecret, Seed, Stage, Status, WasmClaim,
    WasmLimits, WasmRequest,
};

use super::strategies::{blake3, int, label, labels, sha256};
use super::{SECRET, keyed};

fn wasm_request() -> BoxedStrategy<WasmRequest> {
    let limits = (int(), 0..1_000_u64, int(), int(), int()).prop_map(
        |(fuel, host_calls, memory_pages, output_bytes, stack)| WasmLimits {
            fuel,
            host_calls: super::int(host_calls),
            memory_pages,
            output_bytes,
            stack,
        },
    );
    let digests = (
        blake3(),
        blake3(),
        blake3(),
        option::of(blake3()),
        any::<[u8; 32]>(),
    );
    let words = (label(), label(), labels(), select(InputType::ALL), int());
    (digests, words, limits)
        .prop_map(|(digests, words, limits)| {
            let (capsule, input, rules, policy, seed) = digests;
            let (abi, metering, grants, input_type, clock_ms) = words;
            WasmRequest {
                abi,
                capsule,
                clock_ms,
                grants,
                input: Disclosed::Open(input),
                input_type,
                limits,
                metering,
                policy,
                rules,
                seed: Disclosed::Open(Seed::from_bytes(seed)),
            }
        })
        .boxed()
}

fn detail() -> impl Strategy<Value = Detail> {
    (label(), option::of(blake3())).prop_map(|(code, message)| Detail { code, message })
}

fn wasm() -> BoxedStrategy<WasmClaim> {
    let calls = btree_map(label(), (1..50_u64).prop_map(super::int), 1..5);
    let figures = (int(), int(), calls);
    let ending = (
        select(Status::ALL),
        detail(),
        blake3(),
        option::of(sha256()),
    );
    (wasm_request(), figures, ending)
        .prop_map(|(mut request, figures, ending)| {
            let (fuel, peak, calls) = figures;
            let (status, detail, output, transcript) = ending;
            let below = |number: Int, limit: Int| super::int(number.get() % (limit.get() + 1));
            let total: u64 = calls.values().map(|count| count.get()).sum();
            request.limits.host_calls = super::int(match status {
                Status::TooManyCalls => total - 1,
                _ => total + peak.get() % 3,
            });
            let limits = request.limits;
            let fuel = match status {
                Status::Ok | Status::Failed => below(fuel, limits.fuel),
                _ => limits.fuel,
            };
            let (ok, ran) = (status == Status::Ok, status != Status::Aborted);
            let explained = matches!(status, Status::Aborted | Status::Failed | Status::Trapped);
            WasmClaim {
                abi: request.abi,
                capsule: request.capsule,
                clock_ms: request.clock_ms,
                detail: explained.then_some(Disclosed::Open(detail)),
                fuel: ran.then_some(Disclosed::Open(fuel)),
                grants: request.grants,
                host_calls: ran.then_some(Disclosed::Open(calls)),
                input: request.input,
                input_type: request.input_type,
                kind: WasmKind,
                limits,
                memory_pages_peak: ran.then(|| Disclosed::Open(below(peak, limits.memory_pages))),
                metering: request.metering,
                output: ok.then_some(Disclosed::Open(output)),
                policy: request.policy,
                rules: request.rules,
                seed: request.seed,
                status,
                transcript: transcript.map(Disclosed::Open),
            }
        })
        .boxed()
}

fn attested() -> BoxedStrategy<AttestedClaim> {
    let digests = (
        option::of(blake3()),
        blake3(),
        option::of(sha256()),
        blake3(),
        vec(option::of(blake3()), 4),
    );
    let words = (
        labels(),
        label(),
        btree_map(label(), int(), 0..4),
        select(InputType::ALL),
    );
    let ending = (
        select(AttestedStatus::ALL),
        option::of(detail()),
        blake3(),
        option::of(sha256()),
    );
    (digests, words, ending, any::<bool>())
        .prop_map(|(digests, words, ending, private)| {
            let (arguments, code, image, input, rest) = digests;
            let (environment, language, limits, input_type) = words;
            let (status, detail, output, transcript) = ending;
            let ok = status == AttestedStatus::Ok;
            AttestedClaim {
                detail: detail.filter(|_| !ok).map(|it| hide(it, private)),
                kind: AttestedKind,
                output: ok.then(|| hide(output, private)),
                request: AttestedRequest {
                    arguments,
                    code,
                    environment,
                    image,
                    input: hide(input, private),
                    input_type,
                    language,
                    limits,
                    policy: rest[0],
                    root_file_system: rest[1],
                    runtime: rest[2],
                    seccomp: rest[3],
                },
                status,
                transcript: transcript.map(|it| hide(it, private)),
            }
        })
        .boxed()
}

/// Stands for a commitment where only the form matters.
fn hide<T: Encode>(value: T, private: bool) -> Disclosed<T> {
    if private {
        let digest = Blake3::of(&value.to_canonical());
        return Disclosed::Keyed(Keyed::from_bytes(*digest.as_bytes()));
    }
    Disclosed::Open(value)
}

pub(crate) fn claim() -> BoxedStrategy<Claim> {
    let secret = || RunSecret::from_bytes(SECRET);
    let refused = (wasm_request(), label(), select(Stage::ALL), any::<bool>()).prop_map(
        |(request, code, stage, private)| {
            let open = |digest: &Disclosed<Blake3>| *digest.open().expect("it was made open");
            let seed = *request.seed.open().expect("it was made open");
            Claim::Refused(RefusedClaim {
                code,
                kind: RefusedKind,
                request: RefusedRequest::Wasm(WasmRequest {
                    input: hide(open(&request.input), private),
                    seed: hide(seed, private),
                    ..request
                }),
                stage,
            })
        },
    );
    let unrouted = (attested(), label()).prop_map(|(claim, code)| {
        Claim::Refused(RefusedClaim {
            code,
            kind: RefusedKind,
            request: RefusedRequest::Attested(claim.request),
            stage: Stage::Routing,
        })
    });
    prop_oneof![
        wasm().prop_map(Claim::Wasm),
        wasm().prop_map(move |claim| Claim::Wasm(keyed(claim, &secret()))),
        attested().prop_map(Claim::Attested),
        refused,
        unrouted,
    ]
    .boxed()
}
