import { Duration } from 'aws-cdk-lib';
import { Role } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { RustFunction } from 'cargo-lambda-cdk';
import type { Construct } from 'constructs';
import { join } from 'node:path';
import { type FunctionName, functionName, type Identity } from './permissions';

export interface FunctionOptions {
  readonly name: string;
  readonly artifacts?: string;
  readonly architecture: Architecture;
  readonly environment: Record<string, string>;
}

export interface FunctionSize {
  readonly memorySize: number;
  readonly timeout: Duration;
  readonly reserved?: number;
  /** The package, where it is not the function's own name. */
  readonly builtFrom?: string;
  readonly environment?: Record<string, string>;
}

/** A function as it ships. Its role is complete: nothing that is granted to the function is added to it. */
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
    tracing: Tracing.ACTIVE,
    reservedConcurrentExecutions: size.reserved,
    environment: { ...options.environment, ...size.environment },
    role: Role.fromRoleArn(scope, `${name}RoleReference`, identity.role.attrArn, { mutable: false }),
    logGroup: LogGroup.fromLogGroupName(scope, `${name}LogsReference`, identity.logs.ref),
  };
  if (options.artifacts) {
    return new LambdaFunction(scope, id, {
      ...properties,
      runtime: Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: Code.fromAsset(join(options.artifacts, built)),
    });
  }
  return new RustFunction(scope, id, {
    ...properties,
    manifestPath: join(__dirname, '../../../../functions', built, 'Cargo.toml'),
    bundling: { forcedDockerBundling: false, architecture: options.architecture },
  });
}
