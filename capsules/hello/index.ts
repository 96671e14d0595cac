export function run(name: string): string {
  return "Hello, " + name + "!";
}
