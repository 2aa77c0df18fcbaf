// The part of the WebAssembly interface that is used here; Node's own types leave it to the DOM library.
export {}

declare global {
  var WebAssembly: {
    Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => { readonly buffer: SharedArrayBuffer }
    Module: new (bytes: Uint8Array) => object
    Instance: new (module: object, imports?: Record<string, Record<string, unknown>>) => { readonly exports: Record<string, unknown> }
  }
}
