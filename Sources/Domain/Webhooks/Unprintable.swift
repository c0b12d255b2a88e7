internal import Values

// Credentials of receivers, as their owners gave them, and what is made of them.

extension Header: Unprintable {}
extension WebhookAuth: Unprintable {}
extension ClientKey: Unprintable {}
extension RequestSpec: Unprintable {}
extension RequestPlan: Unprintable {}
extension WebhookRequests: Unprintable {}
extension RenderedRequest: Unprintable {}
extension SigningKey: Unprintable {}
extension SigningKeys: Unprintable {}
extension RequestSigner: Unprintable {}
extension SourceDoor: Unprintable {}
extension NoticeTarget: Unprintable {}
