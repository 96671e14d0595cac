const tenzik = @import("tenzik.zig");
const Value = tenzik.Value;

export fn run() void {
    const items = Value.root().get("items");
    if (!items.exists()) tenzik.fail("/items: missing");
    if (items.kind() != .array) tenzik.fail("/items: not an array");
    var count: f64 = 0;
    var total: f64 = 0;
    for (0..@intCast(items.len())) |index| {
        const item = items.at(index);
        const price = number(item, index, "price");
        const qty = number(item, index, "qty");
        count += qty;
        total += price * qty;
    }
    tenzik.raw("{\"count\":");
    tenzik.number(count);
    tenzik.raw(",\"total\":");
    tenzik.number(total);
    tenzik.raw("}");
}

fn number(item: Value, index: u32, comptime name: []const u8) f64 {
    const value = item.get(name);
    if (!value.exists()) failAt(index, "/" ++ name ++ ": missing");
    if (value.kind() != .number) failAt(index, "/" ++ name ++ ": not a number");
    return value.number();
}

/// Fails with the place of the item that is wrong.
fn failAt(index: u32, problem: []const u8) noreturn {
    var message: [64]u8 = undefined;
    var at: u32 = message.len;
    at -= @intCast(problem.len);
    @memcpy(message[at..], problem);
    var rest = index;
    while (true) {
        at -= 1;
        message[at] = '0' + @as(u8, @intCast(rest % 10));
        rest /= 10;
        if (rest == 0) break;
    }
    at -= 7;
    @memcpy(message[at..][0..7], "/items/");
    tenzik.fail(message[at..]);
}
