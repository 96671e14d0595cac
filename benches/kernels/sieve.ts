// Short loops with stores: the sieve of Eratosthenes up to a million.
const LIMIT: i32 = 1000000;
const START: usize = 1024;

export function run(): void {
  memory.grow(16);
  let count = 0;
  for (let candidate = 2; candidate < LIMIT; candidate++) {
    if (load<u8>(START + candidate)) continue;
    count++;
    for (let multiple = candidate * 2; multiple < LIMIT; multiple += candidate) {
      store<u8>(START + multiple, 1);
    }
  }
  store<i32>(0, count);
}
