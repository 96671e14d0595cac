// A registry may fail for a moment: that is no defect of what is fetched from it.
//
// In: what fetches something. Out: what it gives; after three tries, what it throws.

export function again(fetch) {
  for (const seconds of [5, 15]) {
    try {
      return fetch();
    } catch (error) {
      console.error(`once more in ${seconds} s: ${error.message}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
    }
  }
  return fetch();
}
