import { App, Stack } from 'aws-cdk-lib';
import { Template as Synthesized } from 'aws-cdk-lib/assertions';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdoConnect, type AdoConnectProps } from '../lib/ado-connect';
import { Evaluation, type Json, readYaml, type Resource, type Template } from './evaluate';

/** Different from all names in the code, so that the tests find names that are written out. */
const STACK = 'parity';
const SAM_TEMPLATE = join(__dirname, '../../../template.yaml');

/** Deleted when the tests end. */
const TEMPORARY = mkdtempSync(join(tmpdir(), 'ado-connect-'));
process.on('exit', () => rmSync(TEMPORARY, { recursive: true }));

export function temporaryDirectory(): string {
  return mkdtempSync(join(TEMPORARY, 'one-'));
}

/** A directory with a file in place of each function's executable, so that nothing has to be built. */
export function artifacts(executable: (name: string) => string | Buffer): string {
  const directory = temporaryDirectory();
  for (const name of readdirSync(join(__dirname, '../../../../functions'))) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'bootstrap'), executable(name));
  }
  return directory;
}

export const ARTIFACTS = artifacts((name) => name);

/** The SAM template with these parameters, as CloudFormation would see it. */
export function samTemplate(parameters: Record<string, Json>, change = (text: string) => text): Template {
  const template = readYaml(change(readFileSync(SAM_TEMPLATE, 'utf8')));
  const declared = template['Parameters'] as Record<string, { Type: string; Default: Json }>;
  const values: Record<string, Json> = { 'AWS::StackName': STACK };
  for (const [name, { Type, Default }] of Object.entries(declared)) {
    const value = parameters[name] ?? Default;
    values[name] = Type === 'CommaDelimitedList' ? String(value).split(',').filter(Boolean) : value;
  }
  const evaluation = new Evaluation(values, template['Conditions'] as Record<string, Json>);
  const globals = (template['Globals'] as { Function: Record<string, Json> }).Function;
  const existing = Object.entries(template['Resources'] as Record<string, Record<string, Json>>)
    .filter(([, resource]) => evaluation.holds(resource['Condition']))
    .map(([id, resource]) => [id, asCloudFormation(resource, globals)] as const);
  const outputs = Object.entries(template['Outputs'] as Record<string, Record<string, Json>>)
    .filter(([, output]) => evaluation.holds(output['Condition']))
    .map(([id, output]) => [id, { Description: output['Description'] ?? null, Value: output['Value'] ?? null }] as const);
  return evaluated(evaluation, Object.fromEntries(existing), Object.fromEntries(outputs));
}

/** What the SAM transform does with a function that has its role and no events. */
function asCloudFormation(resource: Record<string, Json>, globals: Record<string, Json>): Record<string, Json> {
  if (resource['Type'] !== 'AWS::Serverless::Function') {
    return resource;
  }
  const { CodeUri, Tracing, Environment, LoggingConfig, ...own } = {
    ...globals,
    ...(resource['Properties'] as Record<string, Json>),
  };
  const map = (value: Json | undefined) => (value ?? {}) as Record<string, Json>;
  const merged = (all: Json | undefined, its: Json | undefined) => ({ ...map(all), ...map(its) });
  return {
    ...resource,
    Type: 'AWS::Lambda::Function',
    Properties: {
      ...own,
      Code: String(CodeUri).split('/').pop() ?? null,
      TracingConfig: { Mode: Tracing ?? null },
      LoggingConfig: merged(globals['LoggingConfig'], LoggingConfig),
      Environment: { Variables: merged(map(globals['Environment'])['Variables'], map(Environment)['Variables']) },
    },
  };
}

/** The CDK construct with these properties, as CloudFormation would see it. */
export function cdkTemplate(props: AdoConnectProps): Template {
  const { synthesized, outdir } = synthesizeWithAssets(props);
  const names = new Map<string, string>();
  for (const [id, resource] of Object.entries(synthesized['Resources'] as Record<string, Record<string, Json>>)) {
    const path = String((resource['Metadata'] as Record<string, Json> | undefined)?.['aws:cdk:path']);
    names.set(id, path.replace(`${STACK}/AdoConnect/`, '').replace(/\/Resource$/, ''));
  }
  const rename = (id: string) => names.get(id) ?? id;
  const evaluation = new Evaluation({ 'AWS::StackName': STACK }, {}, rename);
  const outputs = Object.entries((synthesized['Outputs'] ?? {}) as Record<string, Record<string, Json>>).map(
    ([id, output]) => [
      id.replace(/^AdoConnect/, '').replace(/[0-9A-F]{8}$/, ''),
      { Description: output['Description'] ?? null, Value: output['Value'] ?? null },
    ],
  );
  const resources = Object.entries(synthesized['Resources'] as Record<string, Record<string, Json>>).map(
    ([id, resource]) => {
      const properties = { ...(resource['Properties'] as Record<string, Json>) };
      // The executable in place of its package, which differs from SAM's.
      if (resource['Type'] === 'AWS::Lambda::Function') {
        const key = String(((properties['Code'] as Record<string, Json>)['S3Key']) ?? '').replace(/\.zip$/, '');
        properties['Code'] = readFileSync(join(outdir, `asset.${key}`, 'bootstrap'), 'utf8');
      }
      return [rename(id), { ...resource, Properties: properties }] as const;
    },
  );
  return evaluated(evaluation, Object.fromEntries(resources), Object.fromEntries(outputs), rename);
}

/** The synthesized template as it is. */
export function synthesize(props: AdoConnectProps): Record<string, Json> {
  return synthesizeWithAssets(props).synthesized;
}

function synthesizeWithAssets(props: AdoConnectProps): { synthesized: Record<string, Json>; outdir: string } {
  const app = new App({
    context: { 'aws:cdk:enable-path-metadata': true },
    analyticsReporting: false,
    outdir: temporaryDirectory(),
  });
  const stack = new Stack(app, STACK);
  new AdoConnect(stack, 'AdoConnect', { artifacts: ARTIFACTS, ...props });
  const synthesized = Synthesized.fromStack(stack).toJSON() as Record<string, Json>;
  return { synthesized, outdir: app.outdir };
}

function evaluated(
  evaluation: Evaluation,
  resources: Record<string, Record<string, Json>>,
  outputs: Record<string, Json>,
  rename: (id: string) => string = (id) => id,
): Template {
  const entries = Object.entries(resources).map(([id, resource]): [string, Resource] => [
    id,
    {
      Type: String(resource['Type']),
      Properties: canonical(evaluation.value(resource['Properties'] ?? {}) ?? {}) as Record<string, Json>,
      ...(resource['DependsOn'] ? { DependsOn: [resource['DependsOn']].flat().map((id) => rename(String(id))) } : {}),
      ...(resource['DeletionPolicy'] ? { DeletionPolicy: resource['DeletionPolicy'] } : {}),
      ...(resource['UpdateReplacePolicy'] ? { UpdateReplacePolicy: resource['UpdateReplacePolicy'] } : {}),
    },
  ]);
  return { Resources: Object.fromEntries(entries), Outputs: evaluation.value(outputs) as Record<string, Json> };
}

/** The canonical form of values that have two: one action or a list of one, a number or its text. */
function canonical(value: Json, name = ''): Json {
  if (Array.isArray(value)) {
    const items = value.map((item) => canonical(item));
    return ['Action', 'Resource', 'dynamodb:LeadingKeys'].includes(name) && items.length === 1 ? (items[0] ?? null) : items;
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([key, item]) => [key, canonical(item, key)] as const);
    return Object.fromEntries(entries.sort(([one], [two]) => (one < two ? -1 : 1)));
  }
  return typeof value === 'string' && /^(true|false|-?\d+(\.\d+)?)$/.test(value) ? (JSON.parse(value) as Json) : value;
}
