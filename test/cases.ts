// In CI property tests try the same cases each time, so that what turns it red is the change at hand; elsewhere they look for new ones.
import fc from 'fast-check'

fc.configureGlobal({ seed: 2026 })
