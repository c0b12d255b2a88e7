/// Certificates that `openssl` made, good until 2126, each signed by the first.
enum CertificateFixtures {
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASGgAwIBAgIUZnCmAvoW5Qm0rEhk4U2IrG1OG8kwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjYxNDMyMDZaGA8yMTI2MTEwMjE0
        MzIwNlowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABB0ilZs3Xx/9YugfjPtyD4XtvoBkcscoKY4OUBb5oZ/SOGt/3yIHFzPfvVKk
        tiQXb5IJFUntHkjKUih6Yl+7J0ujUzBRMB0GA1UdDgQWBBSU6E8a2N9PYXKyfxbZ
        5pq/ccgjuDAfBgNVHSMEGDAWgBSU6E8a2N9PYXKyfxbZ5pq/ccgjuDAPBgNVHRMB
        Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDhgcclcBpejAg1hoR2F9vqyiTS
        26T8b3MZQXtZ2KHtvAIgaDRBfj+2W3JMJGGMXnMnhKy+o51BRsC4Lmo0/ReaW1E=
        -----END CERTIFICATE-----

        """
    /// `C=DE, O=Example, CN=device-7`.
    static let p256 = """
        -----BEGIN CERTIFICATE-----
        MIIBLTCB1AIBBzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTI2
        MTEyNjE0MzIwNloYDzIxMjYxMTAyMTQzMjA2WjAyMQswCQYDVQQGEwJERTEQMA4G
        A1UECgwHRXhhbXBsZTERMA8GA1UEAwwIZGV2aWNlLTcwWTATBgcqhkjOPQIBBggq
        hkjOPQMBBwNCAASlQywSSzzfBKOT6XIAz1Ucmk4bI9qE41DE1kRkxXFYf+ibL6J5
        8L7XexSOlOWCUf5NXG1SvLIwRwaoOyLpkm+RMAoGCCqGSM49BAMCA0gAMEUCIQC/
        xXUYDsMdoHd/MkRQ0U9ozErBr3JfR762YeMMZmqw/wIgbIycg6/qdESmsVg5vPBT
        G/4f0q2qGHZ/YDXm9oDWBR8=
        -----END CERTIFICATE-----

        """
    static let p256Key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEMh3xo8BeDOjyFWL
        phLhNvD3hHCnJw3LU+1p99AjAyahRANCAASlQywSSzzfBKOT6XIAz1Ucmk4bI9qE
        41DE1kRkxXFYf+ibL6J58L7XexSOlOWCUf5NXG1SvLIwRwaoOyLpkm+R
        -----END PRIVATE KEY-----

        """
    static let p384 = """
        -----BEGIN CERTIFICATE-----
        MIIBKDCBzgIBCDAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTI2
        MTEyNjE0MzIwNloYDzIxMjYxMTAyMTQzMjA2WjAPMQ0wCwYDVQQDDARwMzg0MHYw
        EAYHKoZIzj0CAQYFK4EEACIDYgAEwEfovXVJf87Hn4rg1id57oldKFui29Fyad8G
        swULmXrfxGJLTzcyGOR+o5cdax5n2eQpYbT8+T+fH/to65o60i8Bfol05iQmGcdi
        U/CnNMMTQVK6PGZ6L+HslxHss8ruMAoGCCqGSM49BAMCA0kAMEYCIQCQ9zEBaSne
        55PJb+9zxW6cg93EVoYlWruEBlsVHnGJHQIhAPY7CKQlTCl7F/zpk/8at5+E+YUB
        tmjuYUnuSrhCYLtU
        -----END CERTIFICATE-----

        """
    static let p384Key = """
        -----BEGIN PRIVATE KEY-----
        MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAZAALmbA6wdw8l51EM
        Ah0PTH1Qx/GXp1/KbNe287Yap0CN9ZKFssraQPTDyEcD/I+hZANiAATAR+i9dUl/
        zsefiuDWJ3nuiV0oW6Lb0XJp3wazBQuZet/EYktPNzIY5H6jlx1rHmfZ5ClhtPz5
        P58f+2jrmjrSLwF+iXTmJCYZx2JT8Kc0wxNBUro8Znov4eyXEeyzyu4=
        -----END PRIVATE KEY-----

        """
    static let p521 = """
        -----BEGIN CERTIFICATE-----
        MIIBTTCB9AIBCTAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTI2
        MTEyNjE0MzIwNloYDzIxMjYxMTAyMTQzMjA2WjAPMQ0wCwYDVQQDDARwNTIxMIGb
        MBAGByqGSM49AgEGBSuBBAAjA4GGAAQBwjDq4o3/ChbL6g8oM8lFcMunFv0QEYVn
        cGomwDXae3i054vdHlUG85QeBpwA56Zdc36lOACMYnMiQk8I0H78pa8AHy6trGR8
        hhkTkjJ/5ecj3TAOLORin+TfdUH4k0CwZm7RT6gXXD1aZh1/5wCZ/0xtnCNurNV5
        7tWYZUSEP1AtoDkwCgYIKoZIzj0EAwIDSAAwRQIgf46yBZPfMuqz4gQOtOtYeKq6
        PjlLj8xHGKhi8YAk3poCIQDqNlWo0BDRaxPY1miCaHbwIAcPJb3RJgw0YW3I2+PK
        fw==
        -----END CERTIFICATE-----

        """
    static let p521Key = """
        -----BEGIN PRIVATE KEY-----
        MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIA7ztw+OIUEKF12Q2f
        Ko34/0d4QGHjKoQp8glZohMY1BB7fkjjFgCyMFWuww8VAPPvaxiChoMN4IZzNphb
        6OE4BayhgYkDgYYABAHCMOrijf8KFsvqDygzyUVwy6cW/RARhWdwaibANdp7eLTn
        i90eVQbzlB4GnADnpl1zfqU4AIxicyJCTwjQfvylrwAfLq2sZHyGGROSMn/l5yPd
        MA4s5GKf5N91QfiTQLBmbtFPqBdcPVpmHX/nAJn/TG2cI26s1Xnu1ZhlRIQ/UC2g
        OQ==
        -----END PRIVATE KEY-----

        """
    static let rsa = """
        -----BEGIN CERTIFICATE-----
        MIIB1DCCAXsCAQowCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0y
        NjExMjYxNDMyMDdaGA8yMTI2MTEwMjE0MzIwN1owDjEMMAoGA1UEAwwDcnNhMIIB
        IjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzIYf08toDZc9mr75ZSTiBP8B
        6X+HERH1Nb2yVZZLCgUJzb4KX0YxWZHnRz3e4q19qlBXHF/EnrSETaEdZjnQ8yDH
        ypkrWkndoShi3I1KCuciSj6fL9N5Oru+1SDeY7Gs5OCN0tb1YEoOS3Iwa5MrWt8v
        29SqSKHXNHRnxxUDEb4cm/oH78+yVvpQphxkiBW7F8ZXxbxuQ5ut4Zts5lSa7AQg
        vweV8Ys8SKHjWgVpkE7GbyRlxW9GFTKTjNx/yQ/+CBvd2QhXEC2vm3DgcEIbO9Fg
        eSoTlM/AQ9OUeB/0OaroxkvzEYKn41ilx5K8jfTtsDAQNji4oLlt26d7goM4SwID
        AQABMAoGCCqGSM49BAMCA0cAMEQCIAxbRRrOtjzp4KR+P7XDxORf5T1iziGMzvFi
        p/GJ8+EsAiAXY6uFBhfIPfzvqtbnTuVdpgWlgDPbPK3IgrDTxE5h7A==
        -----END CERTIFICATE-----

        """
    static let rsaKey = """
        -----BEGIN PRIVATE KEY-----
        MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDMhh/Ty2gNlz2a
        vvllJOIE/wHpf4cREfU1vbJVlksKBQnNvgpfRjFZkedHPd7irX2qUFccX8SetIRN
        oR1mOdDzIMfKmStaSd2hKGLcjUoK5yJKPp8v03k6u77VIN5jsazk4I3S1vVgSg5L
        cjBrkyta3y/b1KpIodc0dGfHFQMRvhyb+gfvz7JW+lCmHGSIFbsXxlfFvG5Dm63h
        m2zmVJrsBCC/B5XxizxIoeNaBWmQTsZvJGXFb0YVMpOM3H/JD/4IG93ZCFcQLa+b
        cOBwQhs70WB5KhOUz8BD05R4H/Q5qujGS/MRgqfjWKXHkryN9O2wMBA2OLiguW3b
        p3uCgzhLAgMBAAECggEABS+MN6TYK6pyiiDRsDVW5ighgC49TZSZe/Y/3J8V1WUa
        tW530w7NQ7qioeVMaFrCxwjVDjSfBr3uZUBMP28Ac8tLrydI3wSxcgHuo8eQ7lhw
        jG/5cRwZEYESJ4aqU0SXICrranWl1uR5zhyEMS4T/6PAeGZato9X80E77zA15py4
        ofODKRG0Me0KmXXNXNN6zmBLcUScbEKkYWJNcXqJBJoQcK0r7HTg8tQKIE+/vBFl
        fxBzC0HLXTMTot6BaPnMpftJ1R9gw+hz8Qgk74BiLDXSJTpDE7rJxcW6lg/pqSPN
        gluMwNrAaorz67tawIQFNXSUwkrQpI5PGxuIzSI86QKBgQD/WiNhRmYWcuZ9wgef
        azXvjua7Lj8apFkb0MhBxJSzvQqR3E0Z9diRHtXhnKoS7V2WjKIz817h5M42vz8u
        HWPGycZrGvvoigHCiQkgHuQTnrpQUJ/MbGQnmKMEuDiP3py6ovY0y7qPMY4LONPv
        UimPFDUlDP2uFHzKMdF7Xgj7MwKBgQDNCvialh1LKMwuscvF9Kx1JSahS9qMmPrV
        mejHXbZ1sqbiMc4gd772NFIrIKLkSo27ZDA/0tQS8G+SkA+97klSUImz8EE6yxBj
        WG1lE7W9U8ot1ox69C8onLksDzLBE2SJx0p61xrUqbFUCB3rlnpUqStObOmtXKfL
        FafbxigOiQKBgGVqunSPDkrKNcsqvfZOEWzk17TuCDgfoBiREog0eE7uvPzzf1fZ
        MbtpgM8Lduzvg2Ug0+dIOJ4FTvWlfYVmPNOeHgU6AWT5Mvu9i3dLbZBxUVRGwUDi
        p+CmGdDtDeHuK1dhE+IiLCVlLCI+3sXFXyYpg3YEs9ho4Ks5oBacYXrLAoGAKoPs
        2njn6A60j7YUD57VJ5Elemp1DZQm5qV8K+KVk8AQdHRpTjgmI3zj0Md6nyWKT+HN
        U16O1MKAD/7JFNPU5jmG5AWcMOmsIz1RqZS1qWU3VdvX0yLQqHYeuzEHkBtKTHtD
        SUdS6+enuknYkmHoSaeuMBvLNEQzEpwR6zMiWSkCgYAoV3bIGFDZdi11zVvKf1eA
        NfgO6cn9sTQY0vYzKjJybqwg4+ehMMj5O8Q2Q1ll/7krg5pOGj+7C7qveQOPObwX
        A3vLgxkatjlO09PM1/Pj06PQsbGvfixmb6mtdZ4Y15cgD7lxcgyw42jkxKiYResb
        vcAdUCPmfWo+IP1XHl49nA==
        -----END PRIVATE KEY-----

        """
    /// The same key as older tools write it, behind the parameters of its curve.
    static let p256SEC1 = """
        -----BEGIN EC PARAMETERS-----
        BggqhkjOPQMBBw==
        -----END EC PARAMETERS-----
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIBDId8aPAXgzo8hVi6YS4Tbw94RwpycNy1PtaffQIwMmoAoGCCqGSM49
        AwEHoUQDQgAEpUMsEks83wSjk+lyAM9VHJpOGyPahONQxNZEZMVxWH/omy+iefC+
        13sUjpTlglH+TVxtUryyMEcGqDsi6ZJvkQ==
        -----END EC PRIVATE KEY-----

        """
    static let rsaPKCS1 = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEogIBAAKCAQEAzIYf08toDZc9mr75ZSTiBP8B6X+HERH1Nb2yVZZLCgUJzb4K
        X0YxWZHnRz3e4q19qlBXHF/EnrSETaEdZjnQ8yDHypkrWkndoShi3I1KCuciSj6f
        L9N5Oru+1SDeY7Gs5OCN0tb1YEoOS3Iwa5MrWt8v29SqSKHXNHRnxxUDEb4cm/oH
        78+yVvpQphxkiBW7F8ZXxbxuQ5ut4Zts5lSa7AQgvweV8Ys8SKHjWgVpkE7GbyRl
        xW9GFTKTjNx/yQ/+CBvd2QhXEC2vm3DgcEIbO9FgeSoTlM/AQ9OUeB/0Oaroxkvz
        EYKn41ilx5K8jfTtsDAQNji4oLlt26d7goM4SwIDAQABAoIBAAUvjDek2Cuqcoog
        0bA1VuYoIYAuPU2UmXv2P9yfFdVlGrVud9MOzUO6oqHlTGhawscI1Q40nwa97mVA
        TD9vAHPLS68nSN8EsXIB7qPHkO5YcIxv+XEcGRGBEieGqlNElyAq62p1pdbkec4c
        hDEuE/+jwHhmWraPV/NBO+8wNeacuKHzgykRtDHtCpl1zVzTes5gS3FEnGxCpGFi
        TXF6iQSaEHCtK+x04PLUCiBPv7wRZX8QcwtBy10zE6LegWj5zKX7SdUfYMPoc/EI
        JO+AYiw10iU6QxO6ycXFupYP6akjzYJbjMDawGqK8+u7WsCEBTV0lMJK0KSOTxsb
        iM0iPOkCgYEA/1ojYUZmFnLmfcIHn2s1747muy4/GqRZG9DIQcSUs70KkdxNGfXY
        kR7V4ZyqEu1dloyiM/Ne4eTONr8/Lh1jxsnGaxr76IoBwokJIB7kE566UFCfzGxk
        J5ijBLg4j96cuqL2NMu6jzGOCzjT71IpjxQ1JQz9rhR8yjHRe14I+zMCgYEAzQr4
        mpYdSyjMLrHLxfSsdSUmoUvajJj61Znox122dbKm4jHOIHe+9jRSKyCi5EqNu2Qw
        P9LUEvBvkpAPve5JUlCJs/BBOssQY1htZRO1vVPKLdaMevQvKJy5LA8ywRNkicdK
        etca1KmxVAgd65Z6VKkrTmzprVynyxWn28YoDokCgYBlarp0jw5KyjXLKr32ThFs
        5Ne07gg4H6AYkRKINHhO7rz8839X2TG7aYDPC3bs74NlINPnSDieBU71pX2FZjzT
        nh4FOgFk+TL7vYt3S22QcVFURsFA4qfgphnQ7Q3h7itXYRPiIiwlZSwiPt7FxV8m
        KYN2BLPYaOCrOaAWnGF6ywKBgCqD7Np45+gOtI+2FA+e1SeRJXpqdQ2UJualfCvi
        lZPAEHR0aU44JiN849DHep8lik/hzVNejtTCgA/+yRTT1OY5huQFnDDprCM9UamU
        tallN1Xb19Mi0Kh2HrsxB5AbSkx7Q0lHUuvnp7pJ2JJh6EmnrjAbyzREMxKcEesz
        IlkpAoGAKFd2yBhQ2XYtdc1byn9XgDX4DunJ/bE0GNL2Myoycm6sIOPnoTDI+TvE
        NkNZZf+5K4OaTho/uwu6r3kDjzm8FwN7y4MZGrY5TtPTzNfz49Oj0LGxr34sZm+p
        rXWeGNeXIA+5cXIMsONo5MSomEXrG73AHVAj5n1qPiD9Vx5ePZw=
        -----END RSA PRIVATE KEY-----

        """
    static let encryptedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiPEJeg0isBTgICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEED/F355jVVfty4R7L6MewzYEgZC0
        tdwh9I0d/59Iz4EABus4QJMrutnKGdISyTXN2q8O4ui+fsnACTV8nAY/HyDfAtf1
        wj0zfuN2EVUF2EDyaaFGxelWZTtb5uY9TGwUI/tI+feQCPUt246HbEm/XQKTyVgI
        cGjf33xwwJd9QMOgH1me5eDD4EJe4L9aZfduXis+StU6v8TppiiCgEdnTEx76ik=
        -----END ENCRYPTED PRIVATE KEY-----

        """
    static let ed25519Key = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIOgpcfuOIKer6jAhB92KfdDOAZBEf3TmarhAY1wZHmoZ
        -----END PRIVATE KEY-----

        """
}
