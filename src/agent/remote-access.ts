// What the agent knows of the cluster at this moment: an executor to use, or why there is none.

import type { RemoteExecutor } from '../model/remote-executor.ts';
import type { Uploader } from './uploader.ts';

export type RemoteAccess =
  | { readonly kind: 'connected'; readonly executor: RemoteExecutor; readonly uploader: Uploader }
  | { readonly kind: 'none'; readonly message: string };
