import { Aws } from 'aws-cdk-lib';
import type { CfnApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnAlarm, CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import type { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { AdoConnect } from './ado-connect';
import { makeDecryptFilters, OPENING, type Trail } from './detection';
import { type FunctionName, functionName, type Identities } from './permissions';
import type { Queues } from './schedule';

/** The monitored resources, and the thresholds of their alarms. */
export interface Watched {
  readonly name: string;
  readonly api: CfnApi;
  readonly functions: AdoConnect['functions'];
  readonly logs: Identities;
  readonly schedule: CfnSchedule;
  readonly queues: Queues;
  readonly webhookDeadLetters?: CfnQueue;
  readonly serverErrorsPerFiveMinutes: number;
  readonly slowestMilliseconds: number;
  readonly unauthorizedPerFiveMinutes: number;
  readonly alarmTopicArn?: string;
  readonly trail?: Trail;
}

interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions?: Record<string, string>;
  readonly statistic: string;
}

interface Alarm {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly looksAt: Metric;
  /** In seconds; five minutes unless given. */
  readonly period?: number;
  /** How many periods in a row; one unless given. */
  readonly periods?: number;
  /** Zero unless given. */
  readonly threshold?: number;
  readonly operator?: string;
  readonly missing?: string;
  readonly dependsOn?: CfnSchedule;
}

/** Alarms and a dashboard. */
export function makeWatch(scope: Construct, watched: Watched): CfnDashboard {
  const { Manage, Mcp, Proxy, StreamingProxy } = watched.logs;
  for (const [name, identity] of Object.entries({ Manage, Mcp, Proxy, StreamingProxy })) {
    if (identity) {
      new CfnMetricFilter(scope, `${name}UnauthorizedFilter`, {
        logGroupName: identity.logs.ref,
        filterPattern: '{ $.problem = "invalid_credentials" }',
        metricTransformations: [
          { metricNamespace: watched.name, metricName: 'Unauthorized', metricValue: '1', defaultValue: 0 },
        ],
      });
    }
  }
  if (watched.trail) {
    makeDecryptFilters(scope, watched.name, watched.trail, watched.logs, watched.functions);
  }
  for (const alarm of alarms(watched)) {
    makeAlarm(scope, watched, alarm);
  }
  return new CfnDashboard(scope, 'Dashboard', {
    // Dashboards are global in the account: a stack of the same name in another region has its own.
    dashboardName: `${watched.name}-${Aws.REGION}`,
    dashboardBody: dashboard(watched),
  });
}

function makeAlarm(scope: Construct, watched: Watched, alarm: Alarm): void {
  const { looksAt, period = 300 } = alarm;
  const actions = watched.alarmTopicArn ? [watched.alarmTopicArn] : undefined;
  const made = new CfnAlarm(scope, alarm.id, {
    alarmName: `${watched.name} ${alarm.name}`,
    alarmDescription: alarm.description,
    alarmActions: actions,
    okActions: actions,
    evaluationPeriods: alarm.periods ?? 1,
    threshold: alarm.threshold ?? 0,
    comparisonOperator: alarm.operator ?? 'GreaterThanThreshold',
    treatMissingData: alarm.missing ?? 'notBreaching',
    namespace: looksAt.namespace,
    metricName: looksAt.name,
    dimensions: dimensions(looksAt),
    ...(looksAt.statistic.startsWith('p')
      ? { extendedStatistic: looksAt.statistic }
      : { statistic: looksAt.statistic }),
    period,
  });
  if (alarm.dependsOn) {
    made.addResourceDependency(alarm.dependsOn);
  }
}

function dimensions(metric: Metric): { name: string; value: string }[] | undefined {
  return metric.dimensions && Object.entries(metric.dimensions).map(([name, value]) => ({ name, value }));
}

function alarms(watched: Watched): Alarm[] {
  const { Rotate, ...others } = watched.functions;
  const own = (name: string, statistic: string, by = 'refresh') => ({
    namespace: watched.name,
    name,
    dimensions: { function: by },
    statistic,
  });
  const ofFunction = (target: LambdaFunction, name: string) => ({
    namespace: 'AWS/Lambda',
    name,
    dimensions: { FunctionName: target.functionName },
    statistic: 'Sum',
  });
  const waiting = (queue: CfnQueue, which: 'Visible' | 'NotVisible') => ({
    namespace: 'AWS/SQS',
    name: `ApproximateNumberOfMessages${which}`,
    dimensions: { QueueName: queue.attrQueueName },
    statistic: 'Maximum',
  });
  const all: (Alarm | undefined)[] = [
    {
      id: 'ServerErrorsAlarm',
      name: 'server errors',
      description: 'Too many requests were answered with 5xx, by ado-connect or by Azure DevOps.',
      looksAt: { namespace: 'AWS/ApiGateway', name: '5xx', dimensions: { ApiId: watched.api.ref }, statistic: 'Sum' },
      threshold: watched.serverErrorsPerFiveMinutes,
      operator: 'GreaterThanOrEqualToThreshold',
    },
    others.StreamingProxy && {
      id: 'StreamingServerErrorsAlarm',
      name: 'server errors of the streaming proxy',
      description:
        'Too many requests to the streaming address were answered with 5xx, by ado-connect or by Azure DevOps.',
      looksAt: {
        namespace: 'AWS/ApiGateway',
        name: '5XXError',
        dimensions: { ApiName: `${watched.name}-streaming`, Stage: 'live' },
        statistic: 'Sum',
      },
      threshold: watched.serverErrorsPerFiveMinutes,
      operator: 'GreaterThanOrEqualToThreshold',
    },
    others.StreamingProxy && {
      id: 'StreamsTooLargeAlarm',
      name: 'an answer was too large to stream',
      description: 'A streamed answer was broken off at 200 MB, such as a clone of a large repository.',
      looksAt: own('StreamsTooLarge', 'Sum', 'proxy'),
    },
    {
      id: 'LatencyAlarm',
      name: 'slow answers',
      description: 'One request in a hundred takes longer than SlowestMilliseconds.',
      looksAt: { namespace: 'AWS/ApiGateway', name: 'Latency', dimensions: { ApiId: watched.api.ref }, statistic: 'p99' },
      periods: 3,
      threshold: watched.slowestMilliseconds,
    },
    {
      id: 'OverdueRefreshesAlarm',
      name: 'refreshes are overdue',
      description: 'A token has been due for renewal for more than ten minutes.',
      looksAt: own('OldestOverdueSeconds', 'Maximum'),
      periods: 2,
      threshold: 600,
    },
    {
      id: 'ScheduleSilentAlarm',
      name: 'the refresh schedule is silent',
      description: 'The refresh schedule has not run for ten minutes. No token is renewed.',
      looksAt: own('DueShards', 'SampleCount'),
      periods: 2,
      threshold: 1,
      operator: 'LessThanThreshold',
      missing: 'breaching',
      dependsOn: watched.schedule,
    },
    {
      id: 'BreakerOpenAlarm',
      name: 'a client credential is rejected',
      description: 'Entra rejects the credential of an integration. Its tokens are not renewed until it gets a new one.',
      looksAt: own('IntegrationsCredentialRejected', 'Maximum'),
    },
    {
      id: 'TokensUnsavedAlarm',
      name: 'a renewed token was lost',
      description: 'A token that the schedule renewed could not be stored. Its user may have to connect again.',
      looksAt: own('TokensUnsaved', 'Sum'),
    },
    {
      id: 'McpTokensUnsavedAlarm',
      name: 'a token renewed for a tool was lost',
      description: 'A token that was renewed for a call of a tool could not be stored. Its user may have to connect again.',
      looksAt: own('TokensUnsaved', 'Sum', 'mcp'),
    },
    {
      id: 'ProxyTokensUnsavedAlarm',
      name: 'a token renewed for a call was lost',
      description: 'A token that was renewed for a call could not be stored. Its user may have to connect again.',
      looksAt: own('TokensUnsaved', 'Sum', 'proxy'),
    },
    {
      id: 'AuditLostAlarm',
      name: 'audit entries were lost',
      description: 'An audit entry could not be stored. It is in the log of its function only.',
      looksAt: { namespace: watched.name, name: 'AuditLost', statistic: 'Sum' },
    },
    {
      id: 'DeadLettersAlarm',
      name: 'refresh messages fail',
      description: 'The dead-letter queue of the refresh queue holds a message that no worker understands.',
      // Not the visible ones: the message is received again and again, and hidden in between.
      looksAt: waiting(watched.queues.deadLetters, 'NotVisible'),
      periods: 3,
    },
    {
      id: 'RefreshGivenUpAlarm',
      name: 'refreshes are given up',
      description: 'A refresh message failed five times. The connections whose worker crashed are deferred for an hour.',
      looksAt: own('DeadLetters', 'Sum'),
    },
    watched.webhookDeadLetters && {
      id: 'WebhookDeadLettersAlarm',
      name: 'events are not delivered',
      description: 'The webhook has refused an event for a day.',
      looksAt: waiting(watched.webhookDeadLetters, 'Visible'),
    },
    {
      id: 'CredentialExpiringAlarm',
      name: 'a client credential expires',
      description: 'The client credential of an integration expires within 30 days.',
      looksAt: own('CredentialsExpiring', 'Maximum'),
      period: 86_400,
      // The sweep reports it once a day, at varying seconds, so a period may have no data.
      missing: 'ignore',
    },
    Rotate && {
      id: 'RotationFailedAlarm',
      name: 'a client secret was not renewed',
      description: 'The function rotate failed. Its log has the reason; Secrets Manager retries at the next rotation.',
      looksAt: ofFunction(Rotate, 'Errors'),
    },
    {
      id: 'UnauthorizedAlarm',
      name: 'unauthorized requests',
      description: 'Unusually many requests came without a valid key or token.',
      looksAt: { namespace: watched.name, name: 'Unauthorized', statistic: 'Sum' },
      threshold: watched.unauthorizedPerFiveMinutes,
      operator: 'GreaterThanOrEqualToThreshold',
    },
    ...decrypts(watched),
    ...throttled(others, ofFunction),
  ];
  return all.filter((alarm) => alarm !== undefined);
}

/** Alarms on who opens tokens, by a trail of CloudTrail. */
function decrypts({ name: namespace, trail, logs }: Watched): Alarm[] {
  if (!trail) {
    return [];
  }
  const byFunction = OPENING.flatMap((name) => {
    const identity = logs[name];
    const called = functionName(name);
    return identity
      ? [
          {
            id: `${name}DecryptsAlarm`,
            name: `${called} opens many tokens`,
            description: `The function ${called} opened more data keys of tokens than DecryptsPerFiveMinutes. Unless its load explains that, somebody else runs code in it.`,
            looksAt: { namespace, name: 'Decrypts', dimensions: { role: identity.role.ref }, statistic: 'Sum' },
            threshold: trail.decryptsPerFiveMinutes,
          },
        ]
      : [];
  });
  const foreign = {
    id: 'ForeignDecryptsAlarm',
    name: 'somebody else opens tokens',
    description:
      'Something other than mcp, proxy, streaming-proxy and refresh opened a data key of tokens. Disable the KMS key and pause the service, then look at the event in CloudTrail.',
    looksAt: { namespace, name: 'ForeignDecrypts', statistic: 'Sum' },
  };
  return [foreign, ...byFunction];
}

/** An alarm for each function whose requests find no free execution. */
function throttled(
  functions: Partial<Record<FunctionName, LambdaFunction>>,
  metric: (target: LambdaFunction, name: string) => Metric,
): Alarm[] {
  const names = Object.keys(functions) as FunctionName[];
  return names.flatMap((name) => {
    const target = functions[name];
    const called = functionName(name);
    return target
      ? [
          {
            id: `${name}ThrottledAlarm`,
            name: `${called} is throttled`,
            description: `Requests found no free execution of the function ${called}. Raise its reserved concurrency, or the account quota.`,
            looksAt: metric(target, 'Throttles'),
            periods: 2,
          },
        ]
      : [];
  });
}

function dashboard(watched: Watched): string {
  return `{
  "widgets": [
    {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {
      "title": "Requests and errors", "region": "${Aws.REGION}", "stat": "Sum", "period": 300,
      "metrics": [["AWS/ApiGateway", "Count", "ApiId", "${watched.api.ref}"], [".", "4xx", ".", "."], [".", "5xx", ".", "."]]}},
    {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": {
      "title": "Milliseconds to the answer", "region": "${Aws.REGION}", "period": 300,
      "metrics": [["AWS/ApiGateway", "Latency", "ApiId", "${watched.api.ref}", {"stat": "p50"}], ["...", {"stat": "p99"}]]}},
    {"type": "metric", "x": 0, "y": 6, "width": 12, "height": 6, "properties": {
      "title": "Renewals", "region": "${Aws.REGION}", "stat": "Sum", "period": 300,
      "metrics": [["${watched.name}", "DueHandled", "function", "refresh"], [".", "DueRenewed", ".", "."], [".", "DueUnavailable", ".", "."], [".", "DueThrottled", ".", "."], [".", "DueFailed", ".", "."], [".", "DueReauthorizationRequired", ".", "."]]}},
    {"type": "metric", "x": 12, "y": 6, "width": 12, "height": 6, "properties": {
      "title": "Seconds overdue", "region": "${Aws.REGION}", "period": 300,
      "metrics": [["${watched.name}", "OldestOverdueSeconds", "function", "refresh", {"stat": "Maximum"}], [".", "OverdueSeconds", ".", ".", {"stat": "p99"}]]}},
    {"type": "metric", "x": 0, "y": 12, "width": 8, "height": 6, "properties": {
      "title": "Integrations that are stopped", "region": "${Aws.REGION}", "stat": "Maximum", "period": 300,
      "metrics": [["${watched.name}", "IntegrationsCredentialRejected", "function", "refresh"], [".", "IntegrationsPaused", ".", "."], [".", "CredentialsExpiring", ".", ".", {"period": 86400}]]}},
    {"type": "metric", "x": 8, "y": 12, "width": 8, "height": 6, "properties": {
      "title": "Messages waiting", "region": "${Aws.REGION}", "stat": "Maximum", "period": 300,
      "metrics": [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${watched.queues.queue.attrQueueName}"], ["...", "${watched.queues.deadLetters.attrQueueName}"]]}},
    {"type": "metric", "x": 16, "y": 12, "width": 8, "height": 6, "properties": {
      "title": "Unauthorized requests", "region": "${Aws.REGION}", "stat": "Sum", "period": 300,
      "metrics": [["${watched.name}", "Unauthorized"]]}}
  ]
}
`;
}
