// The one list of reasons: why a step ran locally, and why something remote failed.
// docs/errors.md explains each of them; a test compares the two.

/** Decided from the command line alone, before anything is looked up. */
export const commandReasons = [
  'not-a-compile',
  'link',
  'preprocess-only',
  'dependencies-only',
  'syntax-only',
  'several-inputs',
  'no-input',
  'stdin',
  'stdout',
  'unknown-language',
  'language-option',
  'assembly-input',
  'objective-c',
  'unknown-option',
  'save-temps',
  'coverage',
  'profile',
  'dump-files',
  'time-report',
  'toolchain-search-option',
  'specs',
  'plugin',
  'modules',
  'precompiled-header',
  'charset',
  'assembler-option',
  'offload',
  'multiple-architectures',
  'compiler-check',
  'output-not-regular',
  'response-file',
  'environment',
  'not-reproducible',
  'native-not-expandable',
] as const;

/** Found while the inputs of a compile were gathered. */
export const inputReasons = [
  'unknown-compiler',
  'compiler-wrapper',
  'toolchain-not-shippable',
  'other-namespace',
  'unshippable-path',
  'scan-failed',
  'computed-probe',
  'input-changed',
] as const;

/** The cluster could not, or its answer was not good enough. */
export const clusterReasons = [
  'disabled',
  'no-cluster',
  'no-worker',
  'cluster-lost',
  'remote-timeout',
  'remote-failed',
  'remote-error-confirmed',
  'result-unproven',
  'audit-difference',
  'output-missing',
  'write-failed',
  'agent-failed',
] as const;

export type CommandReason = (typeof commandReasons)[number];
export type InputReason = (typeof inputReasons)[number];
export type ClusterReason = (typeof clusterReasons)[number];

/** Why a step ran on the submitting machine. */
export type LocalReason = CommandReason | InputReason | ClusterReason;

/** Why an operation on another machine did not give an answer. */
export type RemoteFailure =
  | { readonly reason: 'disconnected'; readonly message: string }
  | { readonly reason: 'cancelled'; readonly message: string }
  | { readonly reason: 'timeout'; readonly message: string }
  /** no worker of the cluster can run this action, now or soon */
  | { readonly reason: 'no-worker'; readonly message: string }
  /** a blob that the action needs is not in the store */
  | { readonly reason: 'missing-blob'; readonly message: string }
  /** the request itself is wrong: a path, a digest, a size */
  | { readonly reason: 'invalid-request'; readonly message: string }
  /** the sandbox or the compiler could not be run there */
  | { readonly reason: 'worker-failed'; readonly message: string }
  /** a limit of time, memory or output size was hit */
  | { readonly reason: 'limit-exceeded'; readonly message: string }
  | { readonly reason: 'store-failed'; readonly message: string }
  | { readonly reason: 'unauthorised'; readonly message: string }
  | { readonly reason: 'incompatible'; readonly message: string };

export const remoteFailureReasons = [
  'disconnected',
  'cancelled',
  'timeout',
  'no-worker',
  'missing-blob',
  'invalid-request',
  'worker-failed',
  'limit-exceeded',
  'store-failed',
  'unauthorised',
  'incompatible',
] as const satisfies readonly RemoteFailure['reason'][];
