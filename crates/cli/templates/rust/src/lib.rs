#![no_std]

use tenzik_sdk::Value;

#[no_mangle]
pub extern "C" fn run() {
    let items = Value::root().get("items");
    if !items.exists() {
        tenzik_sdk::fail("/items: missing");
    }
    if items.kind() != tenzik_sdk::ARRAY {
        tenzik_sdk::fail("/items: not an array");
    }
    let (mut count, mut total) = (0.0, 0.0);
    for index in 0..items.len() as u32 {
        let item = items.at(index);
        let price = number(item, index, "price", "/price: missing", "/price: not a number");
        let qty = number(item, index, "qty", "/qty: missing", "/qty: not a number");
        count += qty;
        total += price * qty;
    }
    tenzik_sdk::raw("{\"count\":");
    tenzik_sdk::number(count);
    tenzik_sdk::raw(",\"total\":");
    tenzik_sdk::number(total);
    tenzik_sdk::raw("}");
}

fn number(item: Value, index: u32, name: &str, missing: &str, other: &str) -> f64 {
    let value = item.get(name);
    if !value.exists() {
        fail_at(index, missing);
    }
    if value.kind() != tenzik_sdk::NUMBER {
        fail_at(index, other);
    }
    value.number()
}

/// Fails with the place of the item that is wrong.
fn fail_at(index: u32, problem: &str) -> ! {
    let mut message = [0; 64];
    let mut at = message.len();
    let mut write = |byte| {
        at -= 1;
        message[at] = byte;
    };
    problem.bytes().rev().for_each(&mut write);
    let mut rest = index;
    loop {
        write(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    b"/items/".iter().rev().copied().for_each(&mut write);
    tenzik_sdk::fail(unsafe { core::str::from_utf8_unchecked(&message[at..]) })
}
