// What the shop itself tells PostHog of its visitors.
document.getElementById('sign-up').addEventListener('click', () => {
  posthog.identify('user_1', { email: 'ada@example.com', plan: 'free' })
})
document.getElementById('order').addEventListener('click', () => {
  posthog.capture('order completed', { total: 49 })
})
