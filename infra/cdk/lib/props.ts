import type { SecretValue } from 'aws-cdk-lib';

/** All properties have defaults. */
export interface AdoConnectProps {
  /** The prefix of all names: functions, secrets, logs, alarms. The stack's name unless given. */
  readonly name?: string;
  /**
   * A directory with `<function>/bootstrap` for each function. Without it the functions are built from this repository
   * with Cargo Lambda.
   */
  readonly artifacts?: string;
  /** The functions' processor architecture; `arm64` unless given. */
  readonly architecture?: 'arm64' | 'x86_64';
  /** The gateway's address in browsers; the domain name or the API's own address unless given. */
  readonly publicUrl?: string;
  /** A domain name of yours for the API, and its certificate in the stack's region. */
  readonly domain?: { readonly name: string; readonly certificateArn: string };
  /**
   * Whether the addresses that AWS gives both APIs are closed, so that they answer at domain names of yours only; `domain`
   * closes that of the HTTP API in any case.
   */
  readonly disableExecuteApi?: boolean;
  /** Origins whose pages may call the API from browsers; none unless given. */
  readonly corsOrigins?: string[];
  /** The application's own identity provider, if users call with its tokens. */
  readonly jwt?: { readonly issuer: string; readonly audience: string; readonly userClaim?: string };
  /**
   * The clone of the repository that the functions are built from; the construct's own clone unless given.
   */
  readonly source?: string;
  /** Whether operators can sign in to the portal with a browser; they can unless it is false. */
  readonly portal?: boolean;
  /** Whether the proxy also answers through a REST API that streams, for answers of more than 4.5 MB. */
  readonly streamingProxy?: boolean;
  /** The streaming proxy's address for its callers, if a domain name of yours leads to it; the REST API's own unless given. */
  readonly streamingPublicUrl?: string;
  /** Whether the REST API writes an access log. API Gateway must have a role for logs in the account and region. */
  readonly streamingAccessLog?: boolean;
  /** Whether integrations may sign in to Entra with a token of AWS instead of a secret. */
  readonly federatedCredential?: boolean;
  /**
   * Renews client secrets through Microsoft Graph; the tenant is the one in which the Entra app is registered. A new
   * secret is valid for 180 days unless given.
   */
  readonly secretRotation?: { readonly tenant: string; readonly validDays?: number };
  /** The address that events are posted to, and the header and value that authenticate ado-connect to the receiver. */
  readonly webhook?: { readonly url: string; readonly header?: string; readonly secret: SecretValue };
  /** The SNS topic that alarms are sent to; without it, alarms notify nobody. */
  readonly alarmTopicArn?: string;
  /** Days for which logs are kept; 30 unless given. */
  readonly logRetentionDays?: number;
  /** Days for which the audit trail is kept; 400 unless given. */
  readonly auditDays?: number;
  /** Requests without a valid key or token in five minutes that raise an alarm; 100 unless given. */
  readonly unauthorizedPerFiveMinutes?: number;
  /** Answers with a status of 500 or more in five minutes that raise an alarm; 10 unless given. */
  readonly serverErrorsPerFiveMinutes?: number;
  /** Milliseconds that one request in a hundred may take before an alarm is raised; 10,000 unless given. */
  readonly slowestMilliseconds?: number;
  /**
   * Alarms on who opens tokens: the log group, in the stack's account and region, to which a trail of CloudTrail writes the
   * events of KMS, and the data keys that one function opens in five minutes before an alarm is raised; 1000 unless given.
   */
  readonly cloudTrail?: { readonly logGroupName: string; readonly decryptsPerFiveMinutes?: number };
  /** The rate of requests per second, and the burst, that the API accepts; 500 and 1000 unless given. */
  readonly throttle?: { readonly rate?: number; readonly burst?: number };
  /**
   * Executions at a time that the account allows, Lambda's quota "Concurrent executions"; 1000 unless given. Half of them is the
   * most for the calls of one API key or connection; of those reserved for the proxy, if there are any.
   */
  readonly accountExecutions?: number;
  /**
   * Whether executions are reserved for the functions that other load must not stop: 10 each for `authorize`, `callback` and
   * `manage`, and 20 for `refresh`, unless `reservedConcurrency` says otherwise. The account must have 150 unreserved ones.
   */
  readonly reservedFloors?: boolean;
  /**
   * For how many seconds, 60 at most, a process of the proxy or of mcp believes what it read about a key, a connection, an
   * integration and the service; 0 unless given. Calls meanwhile need no read, and a deleted key still works for so long.
   */
  readonly trustSeconds?: number;
  /**
   * Executions reserved for each function; 0 stops it, none but the floors are reserved unless given. `refresh` needs four
   * more than `refresh.workers`.
   */
  readonly reservedConcurrency?: {
    readonly authorize?: number;
    readonly callback?: number;
    readonly manage?: number;
    readonly mcp?: number;
    readonly proxy?: number;
    readonly streaming?: number;
    readonly refresh?: number;
  };
  /** The refresh schedule: its parts (which may only grow), workers, connections at once, requests per second. */
  readonly refresh?: {
    readonly shards?: number;
    readonly workers?: number;
    readonly concurrency?: number;
    readonly rate?: number;
  };
  /** Whether tables refuse to be deleted; they do unless it is false. */
  readonly deletionProtection?: boolean;
  /** The KMS key that sealed the tokens before the stack's own took its place; they are opened with it until they are written next. */
  readonly formerTokensKeyArn?: string;
  /** The permissions boundary of every role, for accounts that require one. */
  readonly permissionsBoundaryArn?: string;
  /** Microsoft's cloud; `public` unless given. */
  readonly entraCloud?: 'public' | 'us_government' | 'china';
}
