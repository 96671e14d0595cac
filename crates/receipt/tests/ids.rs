//! What an id depends on, and what it does not.

mod common;

use common::{audience, receipt, refused, sign, wasm};
use tenzik_receipt::{
    CLAIM_CONTEXT, Claim, PrivateMember, RECEIPT_CONTEXT, REQUEST_CONTEXT, Receipt,
};

fn addressed() -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.audience = Some(audience());
    receipt
}

#[test]
fn ids_differ_by_context_and_do_not_depend_on_the_signature() {
    let (alone, other) = (sign(receipt(Claim::Wasm(wasm()))), sign(addressed()));
    assert_eq!(alone.claim().id(), other.claim().id());
    assert_eq!(alone.claim().request_id(), other.claim().request_id());
    assert_ne!(alone.id(), other.id());
    assert_eq!(
        Claim::Refused(refused()).request_id(),
        alone.claim().request_id()
    );
    let mut contexts = vec![CLAIM_CONTEXT, RECEIPT_CONTEXT, REQUEST_CONTEXT];
    let members = [
        PrivateMember::Detail,
        PrivateMember::Fuel,
        PrivateMember::HostCalls,
        PrivateMember::Input,
        PrivateMember::MemoryPagesPeak,
        PrivateMember::Output,
        PrivateMember::Seed,
        PrivateMember::Transcript,
    ];
    contexts.extend(members.map(PrivateMember::context));
    contexts.sort_unstable();
    contexts.dedup();
    assert_eq!(contexts.len(), 11, "every context is another one");
}
