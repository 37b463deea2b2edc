import { Aws } from 'aws-cdk-lib';
import type { CfnApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnAlarm, CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { type CfnLogGroup, CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import type { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Queues } from './schedule';

/** What is looked at, and from when on it is too much. */
export interface Watched {
  readonly name: string;
  readonly api: CfnApi;
  readonly accessLogs: CfnLogGroup;
  readonly proxy: LambdaFunction;
  readonly queues: Queues;
  readonly webhookDeadLetters?: CfnQueue;
  readonly slowestMilliseconds: number;
  readonly unauthorizedPerFiveMinutes: number;
  readonly alarmTopicArn?: string;
}

interface Alarm {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Record<string, string>;
  readonly statistic?: string;
  readonly extendedStatistic?: string;
  /** In seconds. */
  readonly period: number;
  readonly periods: number;
  readonly threshold: number;
  readonly operator: string;
  readonly missing: string;
}

/** Alarms and a dashboard. */
export function makeWatch(scope: Construct, watched: Watched): CfnDashboard {
  new CfnMetricFilter(scope, 'UnauthorizedFilter', {
    logGroupName: watched.accessLogs.ref,
    filterPattern: '{ $.status = 401 }',
    metricTransformations: [
      { metricNamespace: watched.name, metricName: 'Unauthorized', metricValue: '1', defaultValue: 0 },
    ],
  });
  const actions = watched.alarmTopicArn ? [watched.alarmTopicArn] : undefined;
  for (const alarm of alarms(watched)) {
    const dimensions = Object.entries(alarm.dimensions).map(([name, value]) => ({ name, value }));
    new CfnAlarm(scope, alarm.id, {
      alarmName: `${watched.name} ${alarm.name}`,
      alarmDescription: alarm.description,
      alarmActions: actions,
      okActions: actions,
      namespace: alarm.namespace,
      metricName: alarm.metric,
      dimensions: dimensions.length > 0 ? dimensions : undefined,
      statistic: alarm.statistic,
      extendedStatistic: alarm.extendedStatistic,
      period: alarm.period,
      evaluationPeriods: alarm.periods,
      threshold: alarm.threshold,
      comparisonOperator: alarm.operator,
      treatMissingData: alarm.missing,
    });
  }
  return new CfnDashboard(scope, 'Dashboard', { dashboardName: watched.name, dashboardBody: dashboard(watched) });
}

function alarms(watched: Watched): Alarm[] {
  return [
    {
      id: 'ServerErrorsAlarm',
      name: 'server errors',
      description: 'More than one request in a hundred was answered with 5xx.',
      namespace: 'AWS/ApiGateway',
      metric: '5xx',
      dimensions: { ApiId: watched.api.ref },
      statistic: 'Average',
      period: 300,
      periods: 2,
      threshold: 0.01,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'LatencyAlarm',
      name: 'slow answers',
      description: 'One request in a hundred takes longer than SlowestMilliseconds.',
      namespace: 'AWS/ApiGateway',
      metric: 'Latency',
      dimensions: { ApiId: watched.api.ref },
      extendedStatistic: 'p99',
      period: 300,
      periods: 3,
      threshold: watched.slowestMilliseconds,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'OverdueRefreshesAlarm',
      name: 'refreshes are overdue',
      description: 'A token has been due for renewal for more than ten minutes.',
      namespace: watched.name,
      metric: 'OldestOverdueSeconds',
      dimensions: { function: 'refresh' },
      statistic: 'Maximum',
      period: 300,
      periods: 2,
      threshold: 600,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'ScheduleSilentAlarm',
      name: 'the refresh schedule is silent',
      description: 'The refresh schedule has not run for five minutes. No token is renewed.',
      namespace: watched.name,
      metric: 'DueShards',
      dimensions: { function: 'refresh' },
      statistic: 'SampleCount',
      period: 300,
      periods: 1,
      threshold: 1,
      operator: 'LessThanThreshold',
      missing: 'breaching',
    },
    {
      id: 'BreakerOpenAlarm',
      name: 'a client credential is rejected',
      description: 'Entra rejects the credential of an integration. Its tokens are not renewed until it gets a new one.',
      namespace: watched.name,
      metric: 'IntegrationsCredentialRejected',
      dimensions: { function: 'refresh' },
      statistic: 'Maximum',
      period: 300,
      periods: 1,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'TokensUnsavedAlarm',
      name: 'a renewed token was lost',
      description: 'A renewed token could not be stored. Its user may have to connect again.',
      namespace: watched.name,
      metric: 'TokensUnsaved',
      dimensions: { function: 'refresh' },
      statistic: 'Sum',
      period: 300,
      periods: 1,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'DeadLettersAlarm',
      name: 'refresh messages fail',
      description: 'A message that no worker understands is among the dead letters of the refresh queue.',
      namespace: 'AWS/SQS',
      metric: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: watched.queues.deadLetters.attrQueueName },
      statistic: 'Maximum',
      period: 300,
      periods: 1,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'RefreshGivenUpAlarm',
      name: 'refreshes are given up',
      description: 'A refresh message failed five times, and what a worker died of was put aside for an hour.',
      namespace: watched.name,
      metric: 'DeadLetters',
      dimensions: { function: 'refresh' },
      statistic: 'Sum',
      period: 300,
      periods: 1,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    ...(watched.webhookDeadLetters
      ? [
          {
            id: 'WebhookDeadLettersAlarm',
            name: 'events are not delivered',
            description: 'The webhook has not taken an event for a day.',
            namespace: 'AWS/SQS',
            metric: 'ApproximateNumberOfMessagesVisible',
            dimensions: { QueueName: watched.webhookDeadLetters.attrQueueName },
            statistic: 'Maximum',
            period: 300,
            periods: 1,
            threshold: 0,
            operator: 'GreaterThanThreshold',
            missing: 'notBreaching',
          }
        ]
      : []),
    {
      id: 'CredentialExpiringAlarm',
      name: 'a client credential expires',
      description: 'The client credential of an integration expires within 30 days.',
      namespace: watched.name,
      metric: 'CredentialsExpiring',
      dimensions: { function: 'refresh' },
      statistic: 'Maximum',
      period: 86400,
      periods: 1,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'UnauthorizedAlarm',
      name: 'unauthorized requests',
      description: 'Unusually many requests came without a valid credential.',
      namespace: watched.name,
      metric: 'Unauthorized',
      dimensions: {},
      statistic: 'Sum',
      period: 300,
      periods: 1,
      threshold: watched.unauthorizedPerFiveMinutes,
      operator: 'GreaterThanOrEqualToThreshold',
      missing: 'notBreaching',
    },
    {
      id: 'ThrottledAlarm',
      name: 'functions are throttled',
      description: 'Requests found no free execution of a function. Raise its reserved concurrency, or the account quota.',
      namespace: 'AWS/Lambda',
      metric: 'Throttles',
      dimensions: { FunctionName: watched.proxy.functionName },
      statistic: 'Sum',
      period: 300,
      periods: 2,
      threshold: 0,
      operator: 'GreaterThanThreshold',
      missing: 'notBreaching',
    },
  ];
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
