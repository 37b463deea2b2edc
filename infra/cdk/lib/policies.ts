/** IAM's JSON as plain values, deployed as it is written here, statement by statement. */

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow';
  readonly Principal?: unknown;
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

export function document(statements: Statement[]): object {
  return { Version: '2012-10-17', Statement: statements };
}

export function allow(actions: string | string[], resource: unknown, condition?: Statement['Condition']): Statement {
  return condition
    ? { Effect: 'Allow', Action: actions, Resource: resource, Condition: condition }
    : { Effect: 'Allow', Action: actions, Resource: resource };
}

/** A condition on kinds of items, with which their keys begin. */
export function kinds(...keys: string[]): NonNullable<Statement['Condition']> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys } };
}

/** The trust policy of a role. */
export function trust(principal: unknown, condition?: Statement['Condition']): object {
  const statement = { Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' } as const;
  return document([condition ? { ...statement, Condition: condition } : statement]);
}

export function dynamodb(...operations: string[]): string[] {
  return operations.map((operation) => `dynamodb:${operation}`);
}
