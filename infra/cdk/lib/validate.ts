import { Token } from 'aws-cdk-lib';
import type { AdoConnectProps } from './props';

/** The numbers of days that CloudWatch Logs accepts. */
const RETENTION = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/** A function's name has 64 characters at most, and ends in `-streaming-proxy`. */
const LONGEST_NAME = 48;

/** Checks the properties as the SAM template checks its parameters, and reports all faults at once. */
export function validate(name: string, props: AdoConnectProps): void {
  const faults: string[] = [];
  const text = (path: string, value: string | undefined, pattern: RegExp, wanted: string) => {
    if (value !== undefined && !Token.isUnresolved(value) && !pattern.test(value)) {
      faults.push(`${path} must be ${wanted}`);
    }
  };
  const number = (path: string, value: number | undefined, least: number, most = Number.MAX_SAFE_INTEGER) => {
    const fits = value === undefined || Token.isUnresolved(value);
    if (!fits && !(Number.isInteger(value) && value >= least && value <= most)) {
      faults.push(`${path} must be a whole number of at least ${least}${most < 1e9 ? ` and at most ${most}` : ''}`);
    }
  };
  text('name', name, new RegExp(`^[A-Za-z][A-Za-z0-9-]{0,${LONGEST_NAME - 1}}$`), `${LONGEST_NAME} letters, digits and hyphens at most`);
  text('publicUrl', props.publicUrl, /^(https:\/\/[^/?#@]+|http:\/\/localhost(:\d+)?)$/, 'an origin such as https://ado.mycompany.example');
  text('streamingPublicUrl', props.streamingPublicUrl, /^https:\/\/[^/?#@]+$/, 'an origin such as https://ado-streams.mycompany.example');
  text('domain.name', props.domain?.name, /^[^/:]+$/, 'a domain name');
  text('domain.certificateArn', props.domain?.certificateArn, /^arn:/, 'an ARN');
  text('jwt.issuer', props.jwt?.issuer, /^https:\/\/[^?#@|]+$/, 'an https address');
  text('jwt.audience', props.jwt?.audience, /./, 'given');
  text('secretRotation.tenant', props.secretRotation?.tenant, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "a tenant's id");
  text('webhook.url', props.webhook?.url, /^https:\/\/.+$/, 'an https address');
  text('permissionsBoundaryArn', props.permissionsBoundaryArn, /^arn:[a-z-]+:iam::.+:policy\/.+$/, "a policy's ARN");
  text('cloudTrail.logGroupName', props.cloudTrail?.logGroupName, /^[A-Za-z0-9_/.#-]+$/, 'the name of a log group');
  number('cloudTrail.decryptsPerFiveMinutes', props.cloudTrail?.decryptsPerFiveMinutes, 1);
  number('secretRotation.validDays', props.secretRotation?.validDays, 2, 730);
  number('unauthorizedPerFiveMinutes', props.unauthorizedPerFiveMinutes, 1);
  number('serverErrorsPerFiveMinutes', props.serverErrorsPerFiveMinutes, 1);
  number('auditDays', props.auditDays, 1, 3653);
  number('slowestMilliseconds', props.slowestMilliseconds, 1, 30_000);
  number('throttle.rate', props.throttle?.rate, 1);
  number('throttle.burst', props.throttle?.burst, 1);
  number('accountExecutions', props.accountExecutions, 1);
  number('trustSeconds', props.trustSeconds, 0, 60);
  number('refresh.shards', props.refresh?.shards, 1, 1024);
  number('refresh.workers', props.refresh?.workers, 2, 1000);
  number('refresh.concurrency', props.refresh?.concurrency, 1, 256);
  number('refresh.rate', props.refresh?.rate, 1);
  for (const [which, reserved] of Object.entries(props.reservedConcurrency ?? {})) {
    number(`reservedConcurrency.${which}`, reserved, 0);
  }
  if (props.disableExecuteApi && !props.publicUrl && !props.domain) {
    faults.push('disableExecuteApi needs a publicUrl or a domain, at which the HTTP API still answers');
  }
  if (props.disableExecuteApi && props.streamingProxy && !props.streamingPublicUrl) {
    faults.push('disableExecuteApi and streamingProxy need a streamingPublicUrl, at which the streaming proxy still answers');
  }
  const days = props.logRetentionDays;
  if (days !== undefined && !Token.isUnresolved(days) && !RETENTION.includes(days)) {
    faults.push(`logRetentionDays must be one of ${RETENTION.join(', ')}`);
  }
  if (faults.length > 0) {
    throw new Error(`AdoConnect: ${faults.join('; ')}`);
  }
}
