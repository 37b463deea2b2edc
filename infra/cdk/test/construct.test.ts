import { App, Stack } from 'aws-cdk-lib';
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { AdoConnect, type AdoConnectProps } from '../lib/ado-connect';
import { ARTIFACTS, artifacts, cdkTemplate, temporaryDirectory } from './templates';

/** Stands in for Cargo: it writes the package's name in place of an executable. */
const CARGO = `#!/bin/sh
case "$*" in
  'lambda --version') echo 'cargo-lambda 1.9.2'; exit ;;
  *--locked*) ;;
  *) echo "not locked: $*" >&2; exit 1 ;;
esac
name=$(basename "$PWD")
while [ $# -gt 0 ]; do
  if [ "$1" = --lambda-dir ]; then directory=$2; fi
  shift
done
mkdir -p "$directory/$name"
printf %s "$name" >"$directory/$name/bootstrap"
printf %s "$name" >"$directory/bootstrap"
`;

function withCargo<T>(run: () => T): T {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'cargo'), CARGO);
  chmodSync(join(directory, 'cargo'), 0o755);
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = `${directory}${delimiter}${path}`;
  try {
    return run();
  } finally {
    process.env['PATH'] = path;
  }
}

test('functions that Cargo Lambda builds are deployed like executables that exist', () => {
  const props: AdoConnectProps = { streamingProxy: true, secretRotation: { tenant: TENANT } };
  assert.deepEqual(
    withCargo(() => cdkTemplate({ ...props, artifacts: undefined })),
    cdkTemplate(props),
  );
});

const TENANT = 'a1a1a1a1-0000-4000-8000-00000000000a';

function make(props: AdoConnectProps): void {
  new AdoConnect(new Stack(new App(), 'ado-connect'), 'AdoConnect', { artifacts: ARTIFACTS, ...props });
}

test('properties that the SAM template would refuse are refused by name', () => {
  const refused: [AdoConnectProps, string][] = [
    [{ publicUrl: 'https://ado.mycompany.example/' }, 'publicUrl'],
    [{ publicUrl: 'http://ado.mycompany.example' }, 'publicUrl'],
    [{ domain: { name: '', certificateArn: '' } }, 'domain.name must be a domain name; domain.certificateArn'],
    [{ disableExecuteApi: true }, 'disableExecuteApi needs a publicUrl or a domain'],
    [{ disableExecuteApi: true, publicUrl: 'https://b.example', streamingProxy: true }, 'need a streamingPublicUrl'],
    [{ jwt: { issuer: 'id.mycompany.example', audience: '' } }, 'jwt.issuer must be an https address; jwt.audience'],
    [{ secretRotation: { tenant: 'mycompany.onmicrosoft.com' } }, 'secretRotation.tenant'],
    [{ refresh: { workers: 1 } }, 'refresh.workers must be a whole number of at least 2 and at most 1000'],
    [{ refresh: { shards: 0, rate: 0.5 } }, 'refresh.shards'],
    [{ reservedConcurrency: { proxy: -1 } }, 'reservedConcurrency.proxy'],
    [{ accountExecutions: 0 }, 'accountExecutions'],
    [{ trustSeconds: 61 }, 'trustSeconds'],
    [{ logRetentionDays: 31 }, 'logRetentionDays'],
    [{ auditDays: 0 }, 'auditDays'],
    [{ name: 'a'.repeat(49) }, 'name must be 48'],
  ];
  for (const [props, said] of refused) {
    assert.throws(() => make(props), (error: Error) => error.message.includes(said), said);
  }
});

test('executables for another processor are refused', () => {
  const elf = Buffer.alloc(64);
  elf.writeUInt32BE(0x7f454c46, 0);
  elf.writeUInt16LE(0x3e, 18);
  const built = artifacts(() => elf);
  assert.throws(() => make({ artifacts: built }), /built for x86_64.*arm64/);
  make({ artifacts: built, architecture: 'x86_64' });
});

test('the error names what is missing: Cargo Lambda or the sources', () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '';
  try {
    assert.throws(() => make({ artifacts: undefined }), /Cargo Lambda is not installed/);
  } finally {
    process.env['PATH'] = path;
  }
  assert.throws(() => make({ artifacts: undefined, source: temporaryDirectory() }), /Give `source`/);
});
