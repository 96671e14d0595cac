// Floating point: a product of two matrices of 120 by 120, summed into one number.
const SIZE: i32 = 120;
const LEFT: usize = 1024;
const RIGHT: usize = LEFT + SIZE * SIZE * 8;
const PRODUCT: usize = RIGHT + SIZE * SIZE * 8;

export function run(): void {
  memory.grow(6);
  for (let i = 0; i < SIZE * SIZE; i++) {
    store<f64>(LEFT + i * 8, <f64>(i % 17) * 0.5);
    store<f64>(RIGHT + i * 8, <f64>(i % 13) - 6.0);
  }
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      let sum: f64 = 0;
      for (let k = 0; k < SIZE; k++) {
        sum += load<f64>(LEFT + (row * SIZE + k) * 8) * load<f64>(RIGHT + (k * SIZE + column) * 8);
      }
      store<f64>(PRODUCT + (row * SIZE + column) * 8, sum);
    }
  }
}
