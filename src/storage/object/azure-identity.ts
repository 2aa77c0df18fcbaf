// Azure's own sign-in, loaded only where no key, signature or connection string is given: the library is large.
import {
  AzureCliCredential,
  ChainedTokenCredential,
  DefaultAzureCredential,
  EnvironmentCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity'

/** The chain of Azure's libraries; the machine's managed identity is asked only with `metadata`. */
export function azureIdentity(metadata: boolean): TokenCredential {
  if (metadata) return new DefaultAzureCredential()
  const workload = process.env.AZURE_FEDERATED_TOKEN_FILE === undefined ? [] : [new WorkloadIdentityCredential()]
  return new ChainedTokenCredential(new EnvironmentCredential(), ...workload, new AzureCliCredential())
}
