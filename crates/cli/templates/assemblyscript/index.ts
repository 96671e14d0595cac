class Item { price: f64 = 0; qty: i32 = 0; }
class Order { items: Item[] = []; }
class Total { count: i32 = 0; total: f64 = 0; }

export function run(order: Order): Total {
  const sum = new Total();
  for (let i = 0; i < order.items.length; i++) {
    const item = order.items[i];
    sum.count += item.qty;
    sum.total += item.price * <f64>item.qty;
  }
  return sum;
}
