import { queryClient } from '@/api/queryClient'
import { Preferences } from '@/features/account/Preferences'
import { preferencesQuery } from '@/features/account/queries'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(preferencesQuery)
})

export const Component = Preferences
