import { Aws } from 'aws-cdk-lib';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnEventInvokeConfig, CfnEventSourceMapping, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { allow, document, trust } from './policies';

export interface Queues {
  readonly queue: CfnQueue;
  readonly deadLetters: CfnQueue;
}

export function makeQueues(scope: Construct): Queues {
  // At least a worker's longest time, and little more, because a failed message blocks its shard for as long.
  const visibilityTimeout = 90;
  const deadLetters = new CfnQueue(scope, 'RefreshDeadLetters', {
    fifoQueue: true,
    visibilityTimeout,
    messageRetentionPeriod: 1_209_600,
  });
  const queue = new CfnQueue(scope, 'RefreshQueue', {
    fifoQueue: true,
    visibilityTimeout,
    messageRetentionPeriod: 3600,
    redrivePolicy: { deadLetterTargetArn: deadLetters.attrArn, maxReceiveCount: 5 },
  });
  return { queue, deadLetters };
}

/** The two schedules and two queues that run the function `refresh`. Returns the schedule of renewals. */
export function makeSchedule(
  scope: Construct,
  refresh: LambdaFunction,
  queues: Queues,
  workers: number,
): CfnSchedule {
  const source = (id: string, queue: CfnQueue, maximumConcurrency: number) =>
    new CfnEventSourceMapping(scope, id, {
      functionName: refresh.functionName,
      eventSourceArn: queue.attrArn,
      batchSize: 1,
      functionResponseTypes: ['ReportBatchItemFailures'],
      scalingConfig: { maximumConcurrency },
    });
  source('RefreshQueueSource', queues.queue, workers);
  source('RefreshDeadLettersSource', queues.deadLetters, 2);

  // A late event of a schedule is useless, because the next one finds the same work.
  new CfnEventInvokeConfig(scope, 'RefreshEvents', {
    functionName: refresh.functionName,
    qualifier: '$LATEST',
    maximumEventAgeInSeconds: 300,
    maximumRetryAttempts: 0,
  });

  const role = new CfnRole(scope, 'SchedulerRole', {
    assumeRolePolicyDocument: trust(
      { Service: 'scheduler.amazonaws.com' },
      { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    ),
    policies: [
      {
        policyName: 'invoke-refresh',
        policyDocument: document([allow('lambda:InvokeFunction', refresh.functionArn)]),
      },
    ],
  });
  const schedule = (id: string, expression: string, event: string, retryPolicy?: CfnSchedule.RetryPolicyProperty) =>
    new CfnSchedule(scope, id, {
      scheduleExpression: expression,
      flexibleTimeWindow: { mode: 'OFF' },
      target: { arn: refresh.functionArn, roleArn: role.attrArn, input: `{"source": "${event}"}`, retryPolicy },
    });
  // The next run comes in a minute.
  const soon = { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 };
  schedule('SweepSchedule', 'rate(1 day)', 'ado-connect.sweep');
  // The dispatcher's deduplication ids assume this period: `DISPATCHED_EVERY` in shared/vault/src/schedule.rs.
  return schedule('RefreshSchedule', 'rate(1 minute)', 'ado-connect.schedule', soon);
}
