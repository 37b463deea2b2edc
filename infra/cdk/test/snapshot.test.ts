import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { AdoConnectProps } from '../lib/ado-connect';
import { synthesize } from './templates';

/** Removes the hashes of assets' contents, which no reviewer can judge. */
function withoutHashes(text: string): string {
  return text.replace(/[0-9a-f]{64}/g, '<hash>');
}

const CASES: Record<string, AdoConnectProps> = {
  default: {},
  optional: { streamingProxy: true, federatedCredential: true, secretRotation: { tenant: 'a1a1a1a1-0000-4000-8000-00000000000a' } },
};

for (const [name, props] of Object.entries(CASES)) {
  test(`the template with ${name} properties is the reviewed one (UPDATE_SNAPSHOTS=1 overwrites it)`, () => {
    const path = join(__dirname, '../../test/snapshots', `${name}.json`);
    const synthesized = withoutHashes(`${JSON.stringify(synthesize(props), null, 1)}\n`);
    if (process.env['UPDATE_SNAPSHOTS']) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, synthesized);
    }
    assert.equal(synthesized, readFileSync(path, 'utf8'));
  });
}
