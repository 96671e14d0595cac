// Calls and nothing else: the 27th Fibonacci number the slow way.
function fib(n: i32): i32 {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

export function run(): void {
  store<i32>(0, fib(27));
}
