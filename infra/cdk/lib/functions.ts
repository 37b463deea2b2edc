import { Duration } from 'aws-cdk-lib';
import { Role } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  type RecursiveLoop,
  Runtime,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { cargoLambdaVersion, RustFunction } from 'cargo-lambda-cdk';
import type { Construct } from 'constructs';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FunctionName, functionName, type Identity } from './permissions';

export interface FunctionOptions {
  readonly name: string;
  readonly artifacts?: string;
  readonly source?: string;
  readonly architecture: Architecture;
  readonly environment: Record<string, string>;
}

export interface FunctionSize {
  readonly memorySize: number;
  readonly timeout: Duration;
  readonly reserved?: number;
  readonly recursiveLoop?: RecursiveLoop;
  /** The Cargo package, if its name is not the function's. */
  readonly builtFrom?: string;
  readonly environment?: Record<string, string>;
}

/** A function. Its role is complete: grants to the function do not change it. */
export function makeFunction(
  scope: Construct,
  name: FunctionName,
  identity: Identity,
  options: FunctionOptions,
  size: FunctionSize,
): LambdaFunction {
  const built = size.builtFrom ?? functionName(name);
  const id = `${name}Function`;
  const properties = {
    functionName: `${options.name}-${functionName(name)}`,
    architecture: options.architecture,
    memorySize: size.memorySize,
    timeout: size.timeout,
    // The functions add nothing to a trace of X-Ray. They pass its id on.
    tracing: Tracing.PASS_THROUGH,
    reservedConcurrentExecutions: size.reserved,
    recursiveLoop: size.recursiveLoop,
    environment: { ...options.environment, ...size.environment },
    role: Role.fromRoleArn(scope, `${name}RoleReference`, identity.role.attrArn, { mutable: false }),
    logGroup: LogGroup.fromLogGroupName(scope, `${name}LogsReference`, identity.logs.ref),
    // Without the lines that Lambda writes for each invocation: ours has the same and more. Failures are warnings.
    loggingFormat: LoggingFormat.JSON,
    systemLogLevelV2: SystemLogLevel.WARN,
  };
  if (options.artifacts) {
    checkProcessor(join(options.artifacts, built, 'bootstrap'), options.architecture);
    return new LambdaFunction(scope, id, {
      ...properties,
      runtime: Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: Code.fromAsset(join(options.artifacts, built)),
    });
  }
  return new RustFunction(scope, id, {
    ...properties,
    manifestPath: manifest(options.source ?? join(__dirname, '../../../..'), built),
    bundling: { forcedDockerBundling: false, architecture: options.architecture, cargoLambdaFlags: ['--locked'] },
  });
}

/** The path of a function's manifest. Fails without Cargo Lambda, in place of which a container would be tried. */
function manifest(source: string, name: string): string {
  const path = join(source, 'functions', name, 'Cargo.toml');
  if (!existsSync(path)) {
    throw new Error(`${path} is not there. Give \`source\`, a clone of the repository, or \`artifacts\`, what was built.`);
  }
  if (!cargoLambdaVersion()) {
    throw new Error('Cargo Lambda is not installed: `pip install cargo-lambda ziglang`. Or give `artifacts`, what was built.');
  }
  return path;
}

/** The processor that an ELF file is for, if it is one. */
function processor(path: string): 'arm64' | 'x86_64' | undefined {
  const head = readFileSync(path).subarray(0, 20);
  return head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46
    ? undefined
    : ({ 0xb7: 'arm64', 0x3e: 'x86_64' } as const)[head.readUInt16LE(18) as 0xb7 | 0x3e];
}

/** Fails for an executable of another processor, which AWS would deploy and never start. */
function checkProcessor(bootstrap: string, architecture: Architecture): void {
  const found = processor(bootstrap);
  if (found && found !== architecture.name) {
    throw new Error(`${bootstrap} is built for ${found}, and the functions are to run on ${architecture.name}`);
  }
}
