// The windows that pages are opened in: a phone's and a desktop's, light and dark. The watcher adds other widths to the light ones.

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 900 };

export const looks = [
  { name: 'phone-light', viewport: phone, colorScheme: 'light' },
  { name: 'phone-dark', viewport: phone, colorScheme: 'dark' },
  { name: 'desktop-light', viewport: desktop, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: desktop, colorScheme: 'dark' },
];

export const look = (name) => looks.find((look) => look.name === name);
