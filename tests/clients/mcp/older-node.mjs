// The conformance suite imports `globSync`, which Node has from version 22 on. It has no use for it here.
import * as fs from 'node:fs';
import { register } from 'node:module';

if (!fs.globSync) {
  const shim = "export * from 'node:fs'; export const globSync = () => { throw new Error('needs Node 22'); };";
  const hooks = `export const resolve = (name, context, next) =>
    name === 'fs' && context.parentURL?.includes('/conformance/')
      ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(shim)}`)}, shortCircuit: true }
      : next(name, context);`;
  register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}
