// The AWS SDK's own reader of its configuration files, loaded only where there are such files.
export { loadSharedConfigFiles } from '@smithy/core/config'
