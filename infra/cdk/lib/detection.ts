import { Aws } from 'aws-cdk-lib';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Identities } from './permissions';

/** A trail of CloudTrail, and what it shows. */
export interface Trail {
  /** In the stack's account and region. */
  readonly logGroupName: string;
  readonly tokensKey: CfnKey;
  /** The threshold for each function that opens tokens. */
  readonly decryptsPerFiveMinutes: number;
}

/** The functions that open tokens. */
export const OPENING = ['Mcp', 'Proxy', 'Refresh', 'StreamingProxy'] as const;

type Opening = (typeof OPENING)[number];

/**
 * Counts who opens tokens, from CloudTrail's events of KMS: `Decrypts` by role, and `ForeignDecrypts` of everybody else.
 * EventBridge gets these events, too, and cannot count them.
 */
export function makeDecryptFilters(
  scope: Construct,
  namespace: string,
  trail: Trail,
  roles: Identities,
  functions: Readonly<{ [N in Opening]?: LambdaFunction }>,
): void {
  const opens = `($.eventSource = "kms.amazonaws.com") && ($.eventName = "Decrypt") && ($.resources[0].ARN = "${trail.tokensKey.attrArn}")`;
  // Lambda's session of a role has the function's name. An event of AWS itself has no `arn`.
  const isForeign = OPENING.flatMap((name) => {
    const [role, target] = [roles[name]?.role, functions[name]];
    if (!role || !target) {
      return [];
    }
    const session = `arn:${Aws.PARTITION}:sts::${Aws.ACCOUNT_ID}:assumed-role/${role.ref}/${target.functionName}`;
    return [`($.userIdentity.arn != "${session}")`];
  });
  new CfnMetricFilter(scope, 'DecryptsFilter', {
    logGroupName: trail.logGroupName,
    filterPattern: `{ ${opens} }`,
    metricTransformations: [
      {
        metricNamespace: namespace,
        metricName: 'Decrypts',
        metricValue: '1',
        dimensions: [{ key: 'role', value: '$.userIdentity.sessionContext.sessionIssuer.userName' }],
      },
    ],
  });
  new CfnMetricFilter(scope, 'ForeignDecryptsFilter', {
    logGroupName: trail.logGroupName,
    filterPattern: `{ ${opens} && (($.userIdentity.arn NOT EXISTS) || (${isForeign.join(' && ')})) }`,
    metricTransformations: [
      { metricNamespace: namespace, metricName: 'ForeignDecrypts', metricValue: '1', defaultValue: 0 },
    ],
  });
}
